"""The jobs or groups of one claim: often one, and several where small ones wait.

They train one after another, outside of any transaction, under one lease, and one transaction ends them all.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from time import monotonic, time_ns
from typing import Any

import structlog
from sqlalchemy.orm import Session

from service import tracing
from service.data.damage import find_damage
from service.errors import Damaged, LeaseLost, ServiceError
from service.store import datasets
from service.store.counts import Count
from service.store.leases.batches import Claimed, Part, lease_of
from worker.jobs.data import JobData
from worker.jobs.flush import Flush, count_endings, count_flush
from worker.process import Process, ProcessStopping

_LATE = 4.0
"""After this many times a flush's pause, what has not begun is given back: it was thought to be smaller."""
_WAIT_FOR_OTHERS = 0.1
"""Seconds for which what has ended of an owner is not written while others' jobs train."""
_SLOWER = "It was claimed together with others, which take longer than was estimated"

log = structlog.get_logger()


class Sharing:
    """Serves other owners while a batch trains. This one serves nobody: jobs have no owners."""

    is_mixed = False
    """Whether its jobs are of several, who are not to wait until all have ended."""

    def serve(self, write_ended: Callable[[], None]) -> None:
        """Train what others have who wait, between two parts of the batch. What has ended of it is written before."""


NO_OWNERS = Sharing()


class Batch:
    """Knows which parts of a claim have not begun and which have ended, and writes all ends with the last; where they
    are of several owners, also now and then in between.

    Every write waits for a database that is away, and raises LeaseLost when the jobs have become another attempt's.
    """

    def __init__(self, process: Process, lease: Claimed, sharing: Sharing = NO_OWNERS) -> None:
        self._process = process
        self._sharing = sharing
        self.data = JobData(process)
        """What its parts learn from."""
        self._waiting: list[Part] = list(lease.parts)
        self._is_alone = len(self._waiting) == 1
        self._current: Part | None = None
        self._ended: list[tuple[Part, Flush]] = []
        self._contexts: list[Any] = []
        """Where those belong in their traces, if there are any."""
        self._begun = 0
        """Parts."""
        self._others_seconds = 0.0
        self._began_at = self._written_at = monotonic()

    def turns(self) -> Iterator[Part]:
        """The parts in their order, each of which is to be ended before the next is asked for."""
        while self._waiting:
            self._serve_others()
            self.separate_when_late()
            if self._waiting:
                self._begun += 1
                self._current = self._waiting.pop(0)
                yield self._current

    def end(self, flush: Flush) -> None:
        """Let the current part end. It is written with the last part of the batch, if not before."""
        assert self._current  # only what has begun ends
        self._ended.append((self._current, flush))
        if tracing.tracer:
            self._contexts.append(tracing.current_context())
        if not self._waiting or (self._sharing.is_mixed and monotonic() > self._written_at + _WAIT_FOR_OTHERS):
            self._write([])

    def fail(self, code: str, detail: str) -> None:
        """End the jobs of the current part, because its attempt failed."""
        assert self._current  # only what has begun fails
        current, failed = self._current, [0]
        self.commit(lambda session: failed.append(current.fail(session, code, detail)))
        self._process.counts[Count.FAILED] += failed[-1]
        if self._ended and not self._waiting:
            self._write([])

    def fail_damaged(self, damage: Damaged) -> None:
        """The same, because somebody has damaged a job of it."""
        if "data" in damage.what:
            self.commit(lambda session: datasets.forget_content(session, damage.row_id))
        self.fail("damaged", damage.detail)

    def find_damage(self) -> Damaged | None:
        """What somebody has damaged of a job of the current part; None where nothing is found, or where there is not
        enough memory to look."""
        assert self._current  # only what has begun fails
        with suppress(MemoryError, RuntimeError, ServiceError), self._process.database.reading() as session:
            found = (find_damage(session, job_id) for job_id in self._current.job_ids)
            return next(filter(None, found), None)
        return None

    def separate(self) -> None:
        """Write what has ended and give back what has not begun: a current part that has not ended goes on alone."""
        if not self._is_alone:
            self._write(self._given_back(), _SLOWER)
            self._is_alone = True

    def separate_when_late(self) -> None:
        """The same, if it has taken much longer than was thought."""
        if self._own_seconds > _LATE * self._process.settings.flush_seconds:
            self.separate()

    def put_back(self, detail: str) -> None:
        """Write what has ended and give back the rest, the current part too, without counting the attempt."""
        assert self._current  # only what has begun is stopped
        self._write([self._current, *self._given_back()], detail)

    def commit(self, write: Callable[[Session], None]) -> None:
        """Write in a transaction, as soon as the database answers."""
        self._process.write_when_possible(write)

    @property
    def part_seconds(self) -> float | None:
        """What each part took that has begun, without the time of others. None where none has."""
        return self._own_seconds / self._begun if self._begun else None

    @property
    def _own_seconds(self) -> float:
        return monotonic() - self._began_at - self._others_seconds

    def _serve_others(self) -> None:
        """Where they were thought to be smaller, the batch waits for no more of them."""
        began = monotonic()
        self._sharing.serve(self._write_ended)
        seconds = monotonic() - began
        self._others_seconds += seconds
        if seconds > _LATE * self._process.settings.flush_seconds:
            self.separate()

    def _write_ended(self) -> None:
        if self._ended:
            self._write([])

    def _given_back(self) -> list[Part]:
        """What has not begun, and does not begin here any more."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def _write(self, back: list[Part], detail: str = "") -> None:
        """What has ended, and that others are queued again. What cannot be written together is tried alone."""
        ended, self._ended = self._ended, []
        contexts, self._contexts = self._contexts, []
        began, moment = monotonic(), time_ns()
        try:
            self.commit(lambda session: self._write_all(session, ended, back, detail))
            count_flush(self._process.counts, monotonic() - began)
            for context in contexts:
                tracing.note_span("finish", moment, context)
            count_endings(self._process.counts, chain.from_iterable(flush.changes for _, flush in ended))
            self._written_at = monotonic()
        except (LeaseLost, ProcessStopping):
            raise
        except Exception as error:
            if self._is_alone:
                raise
            log.exception("the jobs of a batch could not be ended together")
            everything = [*(lease for lease, _ in ended), *back, *self._given_back()]
            apart = f"It is tried alone: {error}"
            self.commit(lambda session: lease_of(everything).put_back(session, apart))
            raise LeaseLost from error

    def _write_all(self, session: Session, ended: list[tuple[Part, Flush]], back: list[Part], detail: str) -> None:
        """Where both are written, their rows are locked first, in the order in which everybody locks many."""
        if ended and back:
            lease_of([*(lease for lease, _ in ended), *back]).leased_jobs(session, lock=True)
        if ended:
            leases, flushes = zip(*ended, strict=True)
            Flush.joined(flushes).write(session, lease_of(leases), self._process.settings.lease_seconds)
        if back:
            not_begun = list(chain.from_iterable(part.job_ids for part in back if part != self._current))
            lease_of(back).put_back(session, detail, not_begun=not_begun)
