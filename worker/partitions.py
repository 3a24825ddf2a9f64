"""A reduction in partitions: the attempt at the job leads, and whoever hears its bell helps.

The leader takes partitions like everybody else, so that a job needs nobody's help. Nor do its numbers hang on who
helped, for the partitions are joined in their order.
"""

from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import monotonic
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from service import datasets
from service.errors import LeaseLost
from service.store import jobs, leases, partitions, workers
from service.store.leases import Claim
from service.store.partitions import PartitionClaim
from service.store.tables import Job
from service.streams import streamed
from slope.engines.reduced import Pause
from slope.engines.streaming import ReducedPartition, joined
from slope.run import Interrupted
from slope.spec import TrainingSpec
from worker.devices import device_for, requests_served
from worker.heartbeat import Heartbeat
from worker.memory import refuse_beyond
from worker.patience import Leaving, patiently
from worker.process import Process

Result = TypeVar("Result")

log = structlog.get_logger()


class Reducer:
    """Takes partitions of one job, one after another, until there is none to take."""

    def __init__(self, process: Process, job: Job) -> None:
        self._process = process
        self._job_id = job.id
        self._data = streamed(process.storage, job, TrainingSpec.model_validate(job.spec), device_for(job.device))

    def reduce_one(self, pause: Pause) -> bool:
        """Reduce a partition that nobody has. False where there is none. Raises Interrupted, and what `pause` does."""
        mine = patiently(self._claim, self._process.leaving)
        if mine is None:
            return False
        try:
            self._reduce(mine, pause)
        except LeaseLost:
            log.warning("the partition is somebody else's now", partition=mine.number)
        except Exception:
            self._put_back(mine)
            raise
        return True

    def _reduce(self, mine: PartitionClaim, pause: Pause) -> None:
        process, started = self._process, monotonic()
        lease_seconds = process.settings.lease_seconds

        def go_on() -> None:
            pause()
            if heartbeat.stop == "lease lost":
                raise LeaseLost
            if heartbeat.stop is not None:
                raise Interrupted

        with Heartbeat(
            process.database,
            process.settings,
            lambda session: partitions.beat(session, mine, lease_seconds),
            process.leaving,
        ) as heartbeat:
            reduced = patiently(lambda: self._data.reduce(mine.rows, go_on), process.leaving).encode()
        patiently(lambda: self._finish(mine, reduced, monotonic() - started), process.leaving)

    def _claim(self) -> PartitionClaim | None:
        process = self._process
        with process.database.writing() as session:
            mine = partitions.claim(
                session, self._job_id, worker_id=process.worker_id, lease_seconds=process.settings.lease_seconds
            )
            session.commit()
        return mine

    def _finish(self, mine: PartitionClaim, reduced: bytes, seconds: float) -> None:
        with self._process.database.writing() as session:
            partitions.finish(session, mine, reduced, seconds)
            session.commit()

    def _put_back(self, mine: PartitionClaim) -> None:
        """At once where that is possible; otherwise its lease runs out."""
        with suppress(LeaseLost, SQLAlchemyError), self._process.database.writing() as session:
            partitions.put_back(session, mine)
            session.commit()


class Leader:
    """Sees to it that all partitions of a claimed job are reduced, by others or by itself."""

    def __init__(self, process: Process, claim: Claim, job: Job) -> None:
        self._process = process
        self._claim = claim
        self._job = job
        self._done = job.partitions_done
        self._called_at = -inf

    def reduce(self, pause: Pause) -> ReducedPartition:
        """All rows. Raises LeaseLost, and what `pause` does, which is called now and then."""
        self._patiently(self._cut)
        reducer = Reducer(self._process, self._job)
        while left := self._patiently(self._left):
            pause()
            self._call(left - 1)
            if not reducer.reduce_one(pause):
                self._process.leaving.wait(self._process.settings.flush_seconds)
        return joined([ReducedPartition.decode(each) for each in self._patiently(self._found)])

    def _patiently(self, action: Callable[[], Result]) -> Result:
        return patiently(action, self._process.leaving)

    def _cut(self) -> None:
        job = self._job
        ranges = datasets.partitions(self._process.storage, job.dataset_id, job.plan["partitions"])
        with self._process.database.writing() as session:
            partitions.cut(session, job.id, ranges)
            session.commit()

    def _left(self) -> int:
        """How many partitions are not reduced. Tells with the job how many are, where that has changed."""
        with self._process.database.writing() as session:
            done, left = partitions.counts(session, self._job.id)
            if done != self._done:
                leases.extend(session, self._claim, self._process.settings.lease_seconds, partitions_done=done)
            session.commit()
        self._done = done
        return left

    def _found(self) -> list[bytes]:
        with self._process.database.reading() as session:
            return partitions.reduced(session, self._job.id)

    def _call(self, most: int) -> None:
        """Ring for others again and again, for they may become free; not while bells wait that nobody has heard."""
        if monotonic() < self._called_at + self._process.settings.reap_seconds:
            return
        self._called_at = monotonic()
        queue, device = self._process.queue, self._job.device
        try:
            if queue.waiting(device) == 0:
                for _ in range(min(most, self._others())):
                    queue.ring(self._job.id, device)
        except Exception as error:  # whatever it was: nobody's help is needed
            log.warning("nobody could be called", error=repr(error))

    def _others(self) -> int:
        with self._process.database.reading() as session:
            return workers.slots(session, device_for(self._job.device)) - 1


def help_reduce(process: Process, job_id: UUID) -> None:
    """Take partitions of a job that another leads, if there are any. What goes wrong is the leader's to tell."""
    try:
        with process.database.reading() as session:
            job = jobs.get(session, job_id)
            is_open = job is not None and job.status == "running" and partitions.counts(session, job_id)[1] > 0
            memory = workers.memory_of(session, process.worker_id)
        if job and is_open and job.device in requests_served(process.devices):
            refuse_beyond(memory, job.plan)
            _reduce_all(Reducer(process, job))
    except (Interrupted, Leaving):
        log.info("left the partitions", job_id=str(job_id))
    except Exception as error:
        log.warning("could not help", job_id=str(job_id), error=repr(error))


def _reduce_all(reducer: Reducer) -> None:
    while reducer.reduce_one(lambda: None):
        pass
