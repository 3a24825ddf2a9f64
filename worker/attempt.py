"""What a bell is for: a job or a group of jobs to train, data of one that another reduces with help, or a look at rows.

However an attempt to train ends, SQL says so.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol
from uuid import UUID, uuid4

import structlog
import torch
from sqlalchemy.orm import Session

from service.errors import LeaseLost, StorageFull
from service.store import jobs as stored
from service.store import workers
from service.store.claims import claim_group, claim_job
from service.store.database import now
from service.store.group_leases import GroupLease
from service.store.leases import JobLease
from service.store.passes import claim_pass
from slope.run import Interrupted
from worker.group_attempt import GroupAttempt
from worker.heartbeat import Heartbeat, StopReason
from worker.job_attempt import JobAttempt
from worker.partitions import help_reduce, may_help
from worker.passes import run_passes
from worker.process import Process, check_memory
from worker.waiting import ProcessStopping, retry_while_away

Work = Callable[[], None]

log = structlog.get_logger()


class Attempt(Protocol):
    """What the two kinds of attempt have in common."""

    def train(self) -> None:
        """Train, record, and end; also what is cancelled. Raises Interrupted when the heartbeat says to stop."""

    def time_out(self) -> None:
        """End as failed: there is no time left."""

    def settle(self) -> None:
        """Wait until what is being written is written."""


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
    job = stored.find_job(session, job_id, with_numbers=True)
    if job is None:
        return None
    if job.is_final:
        asked = claim_pass(session, job_id, uuid4(), process.claimant)
        return partial(run_passes, process, asked) if asked else None
    if job.group_id:
        together = claim_group(session, job.group_id, process.claimant)
        return partial(run_attempt, process, together) if together else None
    return partial(help_reduce, process, job) if may_help(session, process, job) else None


def run_attempt(process: Process, lease: JobLease | GroupLease) -> None:
    """Train what was claimed. What has become another attempt's is left alone."""
    with (
        structlog.contextvars.bound_contextvars(**lease.names),
        Heartbeat(process.database, process.settings, lease, process.stopping) as heartbeat,
    ):
        try:
            _train_or_fail(process, lease, heartbeat)
        except LeaseLost:
            log.warning("the work is another attempt's now")
        except ProcessStopping:
            log.warning("ended without a record: the database is away")
        except StorageFull:
            log.exception("ended without a record: the database has no room")


def _train_or_fail(process: Process, lease: JobLease | GroupLease, heartbeat: Heartbeat) -> None:
    def fail(code: str, detail: str) -> None:
        _write(process, lambda session: lease.fail(session, code, detail))

    try:
        _train(process, lease, heartbeat)
    except (LeaseLost, ProcessStopping):
        raise
    except StorageFull as error:
        fail("storage_full", f"{error.title}: {error.detail}")
    except Exception as error:
        log.exception("the attempt failed")
        if _is_out_of_memory(error):
            fail(
                "out_of_memory", f"The worker lacks memory for this job ({error}): ask for fewer rows or another engine"
            )
        else:
            fail("internal", f"{type(error).__name__}: {error}")


def _train(process: Process, lease: JobLease | GroupLease, heartbeat: Heartbeat) -> None:
    attempt = retry_while_away(lambda: _load(process, lease, heartbeat), process.stopping)
    try:
        attempt.train()
    except Interrupted:
        _stop(process, lease, attempt, heartbeat.stop_reason)
    except Exception:
        attempt.settle()  # what has been given to it to write is kept
        raise


def _load(process: Process, lease: JobLease | GroupLease, heartbeat: Heartbeat) -> Attempt:
    with process.database.reading() as session:
        jobs = lease.jobs_to_train(session)
        memory = workers.memory_of_worker(session, process.worker_id)
        moment = now(session)
    first = jobs[0]
    check_memory(memory, first.planned)
    if first.timeout_seconds is not None:
        assert first.started_at  # the claim has set it
        heartbeat.limit(first.timeout_seconds - (moment - first.started_at).total_seconds())
    if isinstance(lease, GroupLease):
        return GroupAttempt(process, lease, jobs, heartbeat)
    return JobAttempt(process, lease, first, heartbeat)


def _stop(process: Process, lease: JobLease | GroupLease, attempt: Attempt, reason: StopReason | None) -> None:
    match reason:
        case "out of time":
            attempt.time_out()
        case "stopping":
            with suppress(ProcessStopping):
                attempt.settle()
            _write(process, lambda session: lease.put_back(session, "The worker was stopped, the job will go on"))
            log.info("put back into the queue")
        case _:
            raise LeaseLost


def _write(process: Process, action: Callable[[Session], None]) -> None:
    def write() -> None:
        with process.database.writing() as session:
            action(session)
            session.commit()

    retry_while_away(write, process.stopping)


def _is_out_of_memory(error: Exception) -> bool:
    """On the CPU torch says so in words only, and so does libpq where an answer does not fit."""
    words = ("can't allocate memory", "out of memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(each in str(error) for each in words)
