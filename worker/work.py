"""What a bell is for: jobs or a group to train, data of a job that another reduces with help, or a look at rows."""

from collections.abc import Callable
from functools import partial
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from service.store import jobs
from service.store.claims import claim_group, claim_job, claim_more
from service.store.passes import claim_pass
from service.store.prospects import Prospect, SeenJob, find_prospect
from slope.statuses import FINAL
from worker.attempt import Loaded, run_attempt
from worker.partitions import help_reduce, may_help
from worker.passes import run_passes
from worker.process import Process
from worker.selection import choose_companions

Work = Callable[[], None]


def take_work(process: Process, job_id: UUID) -> bool:
    """Find what a bell for a job is for, and do it. False when there is nothing to do.

    A bell whose job somebody has taken already is for the one that has waited longest.
    """
    prospect = process.database.query(find_prospect, job_id, process.claimant)
    work = _find_work(process, prospect)
    if work is None:
        return False
    work()
    return True


def _find_work(process: Process, prospect: Prospect) -> Work | None:
    if prospect.named is None:
        return None
    if asked := _find_help(process, prospect.named) or _find_pass(process, prospect):
        return asked
    waiting = [*(job for job in prospect.queue if job.id == prospect.named.id), *prospect.queue]
    return _claim(process, waiting[0], prospect) if waiting else None


def _find_help(process: Process, named: SeenJob) -> Work | None:
    if named.status != "running" or named.planned.partitions == 1:
        return None
    with process.database.reading() as session:
        job = jobs.find_job(session, named.id, with_numbers=True)
        return partial(help_reduce, process, job) if job and may_help(session, process, job) else None


def _find_pass(process: Process, prospect: Prospect) -> Work | None:
    if prospect.named is None or prospect.named.status not in FINAL or not prospect.has_passes:
        return None
    with process.database.writing() as session:
        asked = claim_pass(session, prospect.named.id, uuid4(), process.claimant)
        session.commit()
    return partial(run_passes, process, asked) if asked else None


def _claim(process: Process, first: SeenJob, prospect: Prospect) -> Work | None:
    with process.database.writing() as session:
        if first.group_id:
            together = claim_group(session, first.group_id, process.claimant)
            work: Work | None = partial(run_attempt, process, together) if together else None
        else:
            work = _claim_jobs(session, process, first, prospect)
        session.commit()
    return work


def _claim_jobs(session: Session, process: Process, first: SeenJob, prospect: Prospect) -> Work | None:
    """And what they train from, in the same transaction."""
    lease = claim_job(session, first.id, process.claimant)
    if lease is None:
        return None
    companions = choose_companions(first, prospect.queue, prospect.slots, process.settings)
    together = claim_more(session, lease, [job.id for job in companions], process.claimant)
    return partial(run_attempt, process, together, Loaded.of(session, together, prospect.memory))
