"""A reduction in partitions: the attempt at the job leads, and whoever hears its bell helps.

The leader takes partitions like everybody else, so that a job needs nobody's help. Nor do its numbers depend on who
helped, for the partitions are joined in their order.
"""

from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TypeVar
from uuid import UUID, uuid4

import structlog
from sqlalchemy.orm import Session

from service.data import numbers
from service.data.streamed import stream_job_data
from service.errors import LeaseLost, ServiceError, StorageUnavailable
from service.store import workers
from service.store.leases import partitions
from service.store.leases.leases import JobLease
from service.store.leases.partitions import PartitionLease
from service.store.tables import Job
from slope.engines.reduction.partitioned import ReducedPartition, join_partitions
from slope.engines.reduction.reduced import Pause
from slope.run import Interrupted
from slope.spec.job import device_for
from worker.heartbeat import Heartbeat
from worker.process import Process, ProcessStopping, has_memory, retry_while_away

Result = TypeVar("Result")

_HELP_SECONDS = 2.0
"""How long a helper keeps other jobs from its process."""
_LONGEST_SILENCE = 60.0
"""Seconds until a broker that was away is asked again, at most."""
_SHORTEST_WAIT, _LONGEST_WAIT = 0.01, 0.25
"""Seconds between two looks of a leader that has nothing to take."""

log = structlog.get_logger()


class Reducer:
    """Takes partitions of one job, one after another, until there is none to take."""

    def __init__(self, process: Process, job: Job) -> None:
        self._process = process
        self._job_id = job.id
        self._data = stream_job_data(process.storage, job, device_for(job.device))

    def reduce(self, pause: Pause, until: float) -> bool:
        """Reduce partitions that nobody has until there is none, or a moment has come. False where there was none.

        Raises Interrupted, StorageUnavailable, and what `pause` does, which is called now and then.
        """
        lease = first = self._claim()
        while lease:
            lease = self._reduce_leased(lease, pause, until)
        return first is not None

    def _reduce_leased(self, lease: PartitionLease, pause: Pause, until: float) -> PartitionLease | None:
        """Reduce a partition, and take the next one, if it is not too late."""
        started = monotonic()
        try:
            reduced = self._reduce(lease, pause).encode()
            return self._finish(lease, reduced, monotonic() - started, and_claim=monotonic() < until)
        except LeaseLost:
            log.warning("the partition is somebody else's now", partition=lease.number)
            return None
        except Exception:
            self._put_back(lease)
            raise

    def _reduce(self, lease: PartitionLease, pause: Pause) -> ReducedPartition:
        process = self._process

        def go_on() -> None:
            pause()
            if heartbeat.stop_reason == "lease lost":
                raise LeaseLost
            if heartbeat.stop_reason is not None:
                raise Interrupted

        with Heartbeat(process.database, process.settings, lease, process.stopping) as heartbeat:
            return self._data.reduce(lease.rows, go_on)

    def _claim(self) -> PartitionLease | None:
        token = uuid4()

        def claim() -> PartitionLease | None:
            with self._process.database.writing() as session:
                lease = self._claimed(session, token)
                session.commit()
            return lease

        return retry_while_away(claim, self._process.stopping)

    def _finish(
        self, lease: PartitionLease, reduced: bytes, seconds: float, *, and_claim: bool
    ) -> PartitionLease | None:
        """In one transaction with the next claim: a commit takes as long as some ten thousand rows."""
        token = uuid4()

        def finish() -> PartitionLease | None:
            with self._process.database.writing() as session:
                lease.finish(session, reduced, seconds)
                following = self._claimed(session, token) if and_claim else None
                session.commit()
            return following

        return retry_while_away(finish, self._process.stopping)

    def _claimed(self, session: Session, token: UUID) -> PartitionLease | None:
        return partitions.claim_partition(session, self._job_id, token, self._process.claimant)

    def _put_back(self, lease: PartitionLease) -> None:
        """Immediately where that is possible; otherwise its lease runs out."""
        with suppress(LeaseLost, ServiceError), self._process.database.writing() as session:
            lease.put_back(session)
            session.commit()


class Leader:
    """Makes sure that all partitions of a claimed job are reduced, by others or by itself."""

    def __init__(self, process: Process, lease: JobLease, job: Job) -> None:
        self._process = process
        self._lease = lease
        self._job = job
        self._done = job.partitions_done
        self._bell = _Bell(process, job)

    def reduce(self, pause: Pause) -> ReducedPartition:
        """All rows. Raises LeaseLost, and what `pause` does, which is called now and then."""
        self._retry(self._cut)
        reducer, wait = Reducer(self._process, self._job), _SHORTEST_WAIT
        while left := self._retry(self._left):
            pause()
            if left > 1:
                self._bell.ring()
            if self._reduces(reducer, pause):
                wait = _SHORTEST_WAIT
            else:  # others have what is left
                self._process.stopping.wait(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
        return self._retry(self._joined)

    def _retry(self, action: Callable[[], Result]) -> Result:
        return retry_while_away(action, self._process.stopping)

    def _cut(self) -> None:
        job = self._job
        ranges = numbers.row_ranges(self._process.storage, numbers.Kept.of(job.dataset), job.planned.partitions)
        with self._process.database.writing() as session:
            partitions.cut_job(session, job.id, ranges)
            session.commit()

    def _left(self) -> int:
        """How many partitions are not reduced. Records with the job how many are, where that has changed."""
        with self._process.database.writing() as session:
            done, left = partitions.count_partitions(session, self._job.id)
            if done != self._done:
                self._lease.extend(session, self._process.settings.lease_seconds, partitions_done=done)
            session.commit()
        self._done = done
        return left

    def _reduces(self, reducer: Reducer, pause: Pause) -> bool:
        """Whether there was something to take, and the storage to take it from."""
        try:
            return reducer.reduce(pause, until=monotonic() + self._process.settings.flush_seconds)
        except StorageUnavailable as error:
            log.warning("the storage is away", error=repr(error.__cause__))
            return False

    def _joined(self) -> ReducedPartition:
        with self._process.database.reading() as session:
            return join_partitions(map(ReducedPartition.decode, partitions.reduced_partitions(session, self._job.id)))


class _Bell:
    """Rings for a job again and again, for others may become free; not while bells wait that nobody has heard."""

    def __init__(self, process: Process, job: Job) -> None:
        self._process = process
        self._job_id, self._device = job.id, job.device
        self._pause = process.settings.reap_seconds
        self._next: float | None = None

    def ring(self) -> None:
        """Ring, unless it is too early. A broker that is away takes seconds to fail: it is asked less and less."""
        if self._next is not None and monotonic() < self._next:
            return
        try:
            is_heard = self._is_heard()
        except Exception as error:  # whatever it was: nobody's help is needed
            log.warning("the bell for helpers was not rung", error=repr(error))
            is_heard = False
        self._pause = self._process.settings.reap_seconds if is_heard else min(2 * self._pause, _LONGEST_SILENCE)
        self._next = monotonic() + self._pause

    def _is_heard(self) -> bool:
        queue = self._process.queue
        if self._next is not None and queue.waiting(self._device):
            return True
        return all(queue.ring(self._job_id, self._device) for _ in range(self._bells()))

    def _bells(self) -> int:
        """One for every slot but this one, and one for this worker's main process, which may take it and keep it."""
        with self._process.database.reading() as session:
            slots = workers.count_slots(session, device_for(self._device))
        return slots if slots > 1 else 0


def may_help(session: Session, process: Process, job: Job) -> bool:
    """Whether another reduces the data of a job just now, and this process has the device and the memory to help."""
    if job.status != "running" or job.planned.partitions == 1 or job.device not in process.requests_served:
        return False
    _, left = partitions.count_partitions(session, job.id)
    return left > 0 and has_memory(workers.memory_of_worker(session, process.worker_id), job.planned)


def help_reduce(process: Process, job: Job) -> None:
    """Take partitions of a job that another leads. What goes wrong is the leader's to report.

    Others get their turn: after a while the bell is put behind those that wait, and this process is free.
    """
    until = monotonic() + _HELP_SECONDS
    try:
        Reducer(process, job).reduce(lambda: None, until)
        if monotonic() >= until:
            process.queue.ring(job.id, job.device)
    except (Interrupted, ProcessStopping):
        log.info("stopped helping", job_id=str(job.id))
    except Exception as error:
        log.warning("could not help", job_id=str(job.id), error=repr(error))
