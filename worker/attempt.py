"""An attempt at what was claimed, jobs or groups one after another: however it ends, SQL says so."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Protocol, Self

import structlog
import torch
from sqlalchemy.orm import Session

from service import tracing
from service.errors import LeaseLost, StorageFull
from service.errors.scarcity import lacks_memory
from service.store import workers
from service.store.counts import Count
from service.store.database import now
from service.store.jobs.pauses import time_paused
from service.store.leases.batches import Claimed, Part
from service.store.leases.leases import JobLease
from service.store.tables import Job
from slope.data import NoRowCounts
from slope.run import Interrupted
from worker.groups.attempt import GroupAttempt
from worker.heartbeat import Heartbeat
from worker.jobs.attempt import JobAttempt
from worker.jobs.batch import NO_OWNERS, Batch, Sharing
from worker.process import Process, ProcessStopping, check_memory, retry_while_away

_WHY_BACK = {
    "stopping": "The worker was stopped, the job will go on",
    "paused": "A job that was claimed with it was paused, or the pause was taken back: it will go on",
}
"""Of what goes back into the queue. What is paused says so by itself."""

log = structlog.get_logger()


class Attempt(Protocol):
    """What the two kinds of attempt have in common."""

    def train(self) -> None:
        """Train, record, and end; also what is cancelled. Raises Interrupted when the heartbeat says to stop."""

    def time_out(self) -> None:
        """End as failed: there is no time left."""

    def settle(self) -> None:
        """Wait until what is being written is written."""


@dataclass(frozen=True)
class Loaded:
    """The jobs of a lease, and what is to be known before they train."""

    jobs: list[Job]
    moment: datetime
    """When they were loaded."""
    memory: int | None
    """Bytes that one training may take; None where nothing is known."""

    @classmethod
    def of(cls, session: Session, lease: Claimed, memory: int | None) -> Self:
        return cls(lease.jobs_to_train(session), now(session), memory)

    def jobs_of(self, part: Part) -> list[Job]:
        """Those that train in a part of what was claimed."""
        ids = set(part.job_ids)
        return [job for job in self.jobs if job.id in ids]

    def begin(self, job: Job, heartbeat: Heartbeat, *, is_alone: bool) -> None:
        """Let the time of a job run, or of its group. Raises MemoryError where there is not enough for it."""
        check_memory(self.memory, job.planned)
        seconds = job.timeout_seconds
        if seconds is not None:
            assert job.started_at  # the claim has set it
            seconds -= (self.moment - job.started_at - time_paused(job.events, job.started_at)).total_seconds()
        heartbeat.begin(seconds, job.id if is_alone else None)


def run_attempt(
    process: Process, lease: Claimed, loaded: Loaded | None = None, sharing: Sharing = NO_OWNERS
) -> float | None:
    """Train what was claimed, and load it where the claim has not. What has become another's is left alone.

    Returns the seconds that each part took that has begun; None where none has, or nothing is known of their end.
    """
    with (
        structlog.contextvars.bound_contextvars(**lease.names),
        Heartbeat(process.database, process.settings, lease, process.stopping) as heartbeat,
    ):
        try:
            return _train_parts(process, lease, loaded, heartbeat, sharing)
        except LeaseLost:
            process.counts[Count.LEASES_LOST] += 1
            log.warning("the work is another attempt's now")
        except ProcessStopping:
            log.warning("ended without a record: the database is away")
        except StorageFull:
            log.exception("ended without a record: the database has no room")
    return None


def _train_parts(
    process: Process, lease: Claimed, loaded: Loaded | None, heartbeat: Heartbeat, sharing: Sharing
) -> float | None:
    batch, load = Batch(process, lease, sharing), cache(lambda: loaded or _load(process, lease))
    process.counts[Count.CLAIMED] += len(lease.job_ids)

    def begin(part: Part, block: ExitStack) -> Attempt:
        jobs = load().jobs_of(part)
        block.enter_context(_traced(jobs[0]))
        load().begin(jobs[0], heartbeat, is_alone=isinstance(part, JobLease))
        if isinstance(part, JobLease):
            return JobAttempt(process, batch, part, jobs[0], heartbeat)
        return GroupAttempt(process, batch, part, jobs, heartbeat)

    for part in batch.turns():
        with structlog.contextvars.bound_contextvars(**part.names), ExitStack() as block:
            _train_or_fail(partial(begin, part, block), batch, heartbeat)
    return batch.part_seconds


def _traced(job: Job) -> AbstractContextManager[None]:
    """What is done in the block belongs to the trace of the request that made the job."""
    if tracing.tracer is None:
        return nullcontext()
    since = [event.at for event in job.events if event.status == "queued"] or [job.created_at]
    return tracing.attempt_spans(job.traceparent, since[-1], {"job.id": str(job.id), "job.attempt": job.attempt})


def _load(process: Process, lease: Claimed) -> Loaded:
    def load() -> Loaded:
        with process.database.reading() as session:
            return Loaded.of(session, lease, workers.memory_of_worker(session, process.worker_id))

    return retry_while_away(load, process.stopping)


def _train_or_fail(begin: Callable[[], Attempt], batch: Batch, heartbeat: Heartbeat) -> None:
    try:
        _train(begin(), batch, heartbeat)
    except (LeaseLost, ProcessStopping):
        raise
    except StorageFull as error:
        batch.fail("storage_full", f"{error.title}: {error.detail}")
    except NoRowCounts as error:
        batch.fail("no_row_counts", str(error))
    except Exception as error:
        log.exception("the attempt failed")
        if isinstance(error, torch.OutOfMemoryError) or lacks_memory(error):  # first: looking for damage takes memory
            advice = "ask for fewer rows or another engine"
            batch.fail("out_of_memory", f"The worker lacks memory for this job ({error}): {advice}")
        elif damage := batch.find_damage():
            batch.fail_damaged(damage)
        else:
            batch.fail("internal", f"{type(error).__name__}: {error}")


def _train(attempt: Attempt, batch: Batch, heartbeat: Heartbeat) -> None:
    try:
        attempt.train()
    except Interrupted:
        _stop(attempt, batch, heartbeat)
    except Exception:
        attempt.settle()  # what has been given to it to write is kept
        raise


def _stop(attempt: Attempt, batch: Batch, heartbeat: Heartbeat) -> None:
    match heartbeat.stop_reason:
        case "out of time":
            attempt.time_out()
        case "stopping" | "paused" as reason:
            with suppress(ProcessStopping):
                attempt.settle()
            batch.put_back(_WHY_BACK[reason])
            log.info("put back", reason=reason)
        case _:
            raise LeaseLost
