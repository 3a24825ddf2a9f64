"""The jobs of one claim, which train one after another: often one, and several where many small ones wait.

They train outside of any transaction, under a lease as one job does, and one transaction ends them all.
"""

from collections.abc import Callable, Iterator, Sequence
from time import monotonic

import structlog
from sqlalchemy.orm import Session

from service.errors import LeaseLost
from service.store.changes import Ending, JobChange
from service.store.leases import BatchLease, JobLease
from worker.flush import Flush
from worker.process import Process
from worker.waiting import ProcessStopping, write_when_possible

_LATE = 4.0
"""After this many times a flush's pause, jobs that have not begun are given back: they were thought to be smaller."""
_SLOWER = "It was claimed together with others, which take longer than was estimated"

log = structlog.get_logger()


class Batch:
    """Knows which jobs have not begun and which have ended, and writes all ends with the last.

    Every write waits for a database that is away, and raises LeaseLost when the jobs have become another attempt's.
    """

    def __init__(self, process: Process, lease: JobLease | BatchLease) -> None:
        self._process = process
        self._waiting = list(lease.parts)
        self._is_alone = len(self._waiting) == 1
        self._current: JobLease | None = None
        self._ended: list[tuple[JobLease, Flush]] = []
        self._late_at = monotonic() + _LATE * process.settings.flush_seconds

    def turns(self) -> Iterator[JobLease]:
        """The jobs in their order, each of which is to be ended before the next is asked for."""
        while self._waiting:
            if monotonic() > self._late_at:
                self.separate()
            if self._waiting:
                self._current = self._waiting.pop(0)
                yield self._current

    def end(self, flush: Flush) -> None:
        """Let the current job end. It is written with the last job of the batch."""
        assert self._current  # only a job that has begun ends
        self._ended.append((self._current, flush))
        if not self._waiting:
            self._write()

    def fail(self, code: str, detail: str) -> None:
        """End the current job, because its attempt failed."""
        assert self._current  # only a job that has begun fails
        values = {"error_code": code, "error_detail": detail}
        self.end(Flush([JobChange(self._current.job_id, values, ending=Ending("failed", detail))]))

    def separate(self) -> None:
        """Write what has ended and give back what has not begun: the current job goes on alone, if it has not ended."""
        if not self._is_alone:
            self._write(_SLOWER)
            self._is_alone = True

    def put_back(self, detail: str) -> None:
        """Write what has ended and give back the rest, the current job too, without counting the attempt."""
        assert self._current  # only a job that has begun is stopped
        self._waiting.insert(0, self._current)
        self._write(detail)

    def commit(self, write: Callable[[Session], None]) -> None:
        """Write in a transaction, as soon as the database answers."""
        write_when_possible(self._process.database, self._process.stopping, write)

    def _write(self, detail: str = "") -> None:
        """What has ended, and that the others are queued again. What cannot be written together is tried alone."""
        ended, back = self._ended, self._waiting
        self._ended, self._waiting = [], []
        try:
            self.commit(lambda session: self._write_all(session, ended, back, detail))
        except (LeaseLost, ProcessStopping):
            raise
        except Exception as error:
            if self._is_alone:
                raise
            log.exception("the jobs of a batch could not be ended together")
            everything = [*(lease for lease, _ in ended), *back]
            apart = f"It is tried alone: {error}"
            self.commit(lambda session: _lease_of(everything).put_back(session, apart))
            raise LeaseLost from error

    def _write_all(
        self, session: Session, ended: list[tuple[JobLease, Flush]], back: list[JobLease], detail: str
    ) -> None:
        if ended:
            leases, flushes = zip(*ended, strict=True)
            Flush.joined(flushes).write(session, _lease_of(leases), self._process.settings.lease_seconds)
        if back:
            _lease_of(back).put_back(session, detail)


def _lease_of(parts: Sequence[JobLease]) -> JobLease | BatchLease:
    return parts[0] if len(parts) == 1 else BatchLease(tuple(parts))
