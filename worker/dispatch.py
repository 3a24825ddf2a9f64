"""What a bell is for: a job to train, a group of jobs to train, or data of a job that another reduces with help."""

from collections.abc import Callable
from functools import partial
from uuid import UUID

from sqlalchemy.orm import Session

from service.store import jobs
from service.store.claims import claim_group, claim_job
from worker.attempt import run_attempt
from worker.partitions import help_reduce, may_help
from worker.process import Process

Work = Callable[[], None]


def take_work(process: Process, job_id: UUID) -> bool:
    """Find what a bell for a job is for, in one transaction, and do it. False when there is nothing to do."""
    with process.database.writing() as session:
        work = _find_work(session, process, job_id)
        session.commit()
    if work is None:
        return False
    work()
    return True


def _find_work(session: Session, process: Process, job_id: UUID) -> Work | None:
    """The claim of a job by itself first: most bells are for one, and it takes one statement."""
    if lease := claim_job(session, job_id, process.claimant):
        return partial(run_attempt, process, lease)
    job = jobs.find_job(session, job_id)
    if job is None:
        return None
    if job.group_id:
        together = claim_group(session, job.group_id, process.claimant)
        return partial(run_attempt, process, together) if together else None
    return partial(help_reduce, process, job) if may_help(session, process, job) else None
