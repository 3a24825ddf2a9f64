"""An attempt at a job, at several one after another, or at a group: however it ends, SQL says so."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol, Self

import structlog
import torch
from sqlalchemy.orm import Session

from service import tracing
from service.errors import LeaseLost, StorageFull
from service.store import workers
from service.store.counts import Count
from service.store.database import now
from service.store.group_leases import GroupLease
from service.store.leases import AttemptLease, BatchLease, JobLease
from service.store.pauses import time_paused
from service.store.tables import Job
from slope.data import NoRowCounts
from slope.run import Interrupted
from worker.flush import Batch
from worker.group_attempt import GroupAttempt
from worker.heartbeat import Heartbeat
from worker.job_attempt import JobAttempt
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


class Holder(Protocol):
    """Who holds the lease of what is trained."""

    def fail(self, code: str, detail: str) -> None:
        """End what is under way, because the attempt failed."""

    def put_back(self, detail: str) -> None:
        """Give it back to the queue without counting the attempt against it."""


@dataclass(frozen=True)
class Loaded:
    """The jobs of a lease, and what is to be known before they train."""

    jobs: list[Job]
    moment: datetime
    """When they were loaded."""
    memory: int | None
    """Bytes that one training may take; None where nothing is known."""

    @classmethod
    def of(cls, session: Session, lease: AttemptLease, memory: int | None) -> Self:
        return cls(lease.jobs_to_train(session), now(session), memory)

    def begin(self, job: Job, heartbeat: Heartbeat, *, is_alone: bool) -> None:
        """Let the time of a job run, or of its group. Raises MemoryError where there is not enough for it."""
        check_memory(self.memory, job.planned)
        seconds = job.timeout_seconds
        if seconds is not None:
            assert job.started_at  # the claim has set it
            seconds -= (self.moment - job.started_at - time_paused(job.events, job.started_at)).total_seconds()
        heartbeat.begin(seconds, job.id if is_alone else None)


def run_attempt(process: Process, lease: AttemptLease, loaded: Loaded | None = None) -> None:
    """Train what was claimed, and load it where the claim has not. What has become another's is left alone."""
    with (
        structlog.contextvars.bound_contextvars(**lease.names),
        Heartbeat(process.database, process.settings, lease, process.stopping) as heartbeat,
    ):
        try:
            if isinstance(lease, GroupLease):
                _train_group(process, lease, heartbeat)
            elif isinstance(lease, JobLease | BatchLease):
                _train_jobs(process, lease, loaded or _load(process, lease), heartbeat)
        except LeaseLost:
            process.counts[Count.LEASES_LOST] += 1
            log.warning("the work is another attempt's now")
        except ProcessStopping:
            log.warning("ended without a record: the database is away")
        except StorageFull:
            log.exception("ended without a record: the database has no room")


def _train_jobs(process: Process, lease: JobLease | BatchLease, loaded: Loaded, heartbeat: Heartbeat) -> None:
    jobs, batch = {job.id: job for job in loaded.jobs}, Batch(process, lease)
    process.counts[Count.CLAIMED] += len(jobs)

    def begin(part: JobLease) -> JobAttempt:
        job = jobs[part.job_id]
        loaded.begin(job, heartbeat, is_alone=True)
        return JobAttempt(process, batch, part, job, heartbeat)

    for part in batch.turns():
        with structlog.contextvars.bound_contextvars(**part.names), _traced(jobs[part.job_id]):
            _train_or_fail(partial(begin, part), batch, heartbeat)


def _train_group(process: Process, lease: GroupLease, heartbeat: Heartbeat) -> None:
    def begin() -> GroupAttempt:
        loaded = _load(process, lease)
        block.enter_context(_traced(loaded.jobs[0]))
        process.counts[Count.CLAIMED] += len(loaded.jobs)
        loaded.begin(loaded.jobs[0], heartbeat, is_alone=False)
        return GroupAttempt(process, lease, loaded.jobs, heartbeat)

    with ExitStack() as block:
        _train_or_fail(begin, _Group(process, lease), heartbeat)


def _traced(job: Job) -> AbstractContextManager[None]:
    """What is done in the block belongs to the trace of the request that made the job."""
    if tracing.tracer is None:
        return nullcontext()
    since = [event.at for event in job.events if event.status == "queued"] or [job.created_at]
    return tracing.attempt_spans(job.traceparent, since[-1], {"job.id": str(job.id), "job.attempt": job.attempt})


def _load(process: Process, lease: AttemptLease) -> Loaded:
    def load() -> Loaded:
        with process.database.reading() as session:
            return Loaded.of(session, lease, workers.memory_of_worker(session, process.worker_id))

    return retry_while_away(load, process.stopping)


def _train_or_fail(begin: Callable[[], Attempt], holder: Holder, heartbeat: Heartbeat) -> None:
    try:
        _train(begin(), holder, heartbeat)
    except (LeaseLost, ProcessStopping):
        raise
    except StorageFull as error:
        holder.fail("storage_full", f"{error.title}: {error.detail}")
    except NoRowCounts as error:
        holder.fail("no_row_counts", str(error))
    except Exception as error:
        log.exception("the attempt failed")
        if _is_out_of_memory(error):
            advice = "ask for fewer rows or another engine"
            holder.fail("out_of_memory", f"The worker lacks memory for this job ({error}): {advice}")
        else:
            holder.fail("internal", f"{type(error).__name__}: {error}")


def _train(attempt: Attempt, holder: Holder, heartbeat: Heartbeat) -> None:
    try:
        attempt.train()
    except Interrupted:
        _stop(attempt, holder, heartbeat)
    except Exception:
        attempt.settle()  # what has been given to it to write is kept
        raise


def _stop(attempt: Attempt, holder: Holder, heartbeat: Heartbeat) -> None:
    match heartbeat.stop_reason:
        case "out of time":
            attempt.time_out()
        case "stopping" | "paused" as reason:
            with suppress(ProcessStopping):
                attempt.settle()
            holder.put_back(_WHY_BACK[reason])
            log.info("put back", reason=reason)
        case _:
            raise LeaseLost


class _Group:
    """Holds the lease of the jobs of a group."""

    def __init__(self, process: Process, lease: GroupLease) -> None:
        self._process = process
        self._lease = lease

    def fail(self, code: str, detail: str) -> None:
        def fail(session: Session) -> None:
            failed.append(self._lease.fail(session, code, detail))

        failed: list[int] = []
        self._process.write_when_possible(fail)
        self._process.counts[Count.FAILED] += failed[-1]

    def put_back(self, detail: str) -> None:
        self._process.write_when_possible(lambda session: self._lease.put_back(session, detail))


def _is_out_of_memory(error: Exception) -> bool:
    """On the CPU torch says so in words only, and so does libpq where an answer does not fit."""
    words = ("can't allocate memory", "out of memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(each in str(error) for each in words)
