"""What one transaction writes, of a job or of several: the records, and what changes in the rows of these jobs.

The jobs or groups of one claim train one after another, outside of any transaction, under one lease: often one, and
several where small ones wait. One transaction ends them all. Where the database is slow, training goes on while it
writes.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, field
from itertools import chain
from threading import Event, Thread
from time import monotonic, time_ns
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

import numpy as np
import structlog
from sqlalchemy.orm import Session

from service import tracing
from service.errors import LeaseLost
from service.store import bulk, extremes
from service.store.batch_leases import Claimed, Part, lease_of
from service.store.counts import ENDED, Count
from service.store.events import JobChange, Wish
from service.store.leases import AttemptLease
from slope.arrays import Indices
from slope.columns import Columns, EpochColumns, StepColumns, join_columns
from worker.counts import Own
from worker.process import Process, ProcessStopping, retry_while_away

Table = TypeVar("Table", bound=Columns)
Owned = tuple[Sequence[UUID], Table]
"""A table, and whose each of its rows is."""
Result = TypeVar("Result")

_SLOW = 0.1
"""Seconds. After a write that took longer, training does not wait for the next."""
_LATE = 4.0
"""After this many times a flush's pause, what has not begun is given back: it was thought to be smaller."""
_WAIT_FOR_OTHERS = 0.1
"""Seconds for which what has ended of an owner is not written while others' jobs train."""
_SLOWER = "It was claimed together with others, which take longer than was estimated"

log = structlog.get_logger()


@dataclass(frozen=True)
class Flush:
    """It is written as a whole, while the lease of its jobs is held, or not at all."""

    changes: list[JobChange]
    epochs: list[Owned[EpochColumns]] = field(default_factory=list)
    steps: list[Owned[StepColumns]] = field(default_factory=list)
    snapshots: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """That of several jobs."""
        parts = list(parts)
        return cls(
            [change for part in parts for change in part.changes],
            [table for part in parts for table in part.epochs],
            [table for part in parts for table in part.steps],
            [snapshot for part in parts for snapshot in part.snapshots],
        )

    def write(self, session: Session, lease: AttemptLease, lease_seconds: float) -> dict[UUID, Wish]:
        """Write all of it and extend the lease. Which of the lease's jobs are to be cancelled or paused.

        The jobs' rows last: while they are locked, the heartbeat waits for the commit. Whether they are still the
        lease's decides whether all of it may be written.
        """
        with bulk.written_by_one(session, lambda: lease.lock_jobs(session, self.changes)):
            write_records(session, self)
        return lease.change(session, self.changes, lease_seconds)


def write_records(session: Session, flush: Flush) -> None:
    for owners, epochs in _joined(flush.epochs):
        bulk.add_epochs(session, owners, epochs)
        if len(epochs) >= extremes.FEWEST:
            extremes.add_extremes_of_jobs(session, *_told_apart(owners), epochs)
    for owners, steps in _joined(flush.steps):
        bulk.add_steps(session, owners, steps)
    bulk.add_snapshots(session, flush.snapshots)


def _told_apart(owners: Sequence[UUID]) -> tuple[list[UUID], Indices]:
    """The jobs, each once, and the place of every row's among them.

    Of rows that share an object it is hashed once: for every row that would take longer than the rest.
    """
    _, firsts, of_rows = np.unique(np.fromiter(map(id, owners), np.int64), return_index=True, return_inverse=True)
    told = [owners[first] for first in firsts]
    places = {job_id: place for place, job_id in enumerate(dict.fromkeys(told))}
    return list(places), np.array([places[job_id] for job_id in told])[of_rows]


def _joined(tables: Sequence[Owned[Table]]) -> Iterator[Owned[Table]]:
    """As few as may be: those that have the same columns are one."""
    alike: dict[Any, list[Owned[Table]]] = defaultdict(list)
    for owned in tables:
        alike[owned[1].layout].append(owned)
    for same in alike.values():
        yield list(chain(*(owners for owners, _ in same))), join_columns([table for _, table in same])


class Writer(Generic[Result]):
    """Does one write after the other, each as soon as the database answers.

    Where the last was quick, the next is done while the caller waits. Where it was slow, the next goes on in a thread:
    at most one is under way, and its result comes with the next call.
    """

    def __init__(self, stopping: Event, counts: Own) -> None:
        self._stopping = stopping
        self._counts = counts
        self._under_way: Future[Result] | None = None
        self.took = 0.0
        """Seconds that the last write took the database."""
        self.ended_at = monotonic()

    @property
    def is_busy(self) -> bool:
        return self._under_way is not None and not self._under_way.done()

    def write(self, action: Callable[[], Result]) -> list[Result]:
        """Begin a write when the last one has ended. The results since the last call; raises what a write raised."""
        results = self.settle()
        if self.took < _SLOW:
            return [*results, self._write(action)]
        self._under_way = _in_thread(lambda: self._write(action))
        return results

    def settle(self) -> list[Result]:
        """Wait until nothing is under way. The result of what was."""
        under_way, self._under_way = self._under_way, None
        return [under_way.result()] if under_way else []

    def _write(self, action: Callable[[], Result]) -> Result:
        return retry_while_away(lambda: self._timed(action), self._stopping)

    def _timed(self, action: Callable[[], Result]) -> Result:
        """One try: a database that was away is not slow for that."""
        began, moment = monotonic(), time_ns()
        result = action()
        self.ended_at = monotonic()
        if tracing.tracer:
            tracing.note_span("flush", moment)
        self.took = self.ended_at - began
        count_flush(self._counts, self.took)
        return result


def count_flush(counts: Own, seconds: float) -> None:
    counts[Count.FLUSHES] += 1
    counts[Count.FLUSH_SECONDS] += seconds


def count_endings(counts: Own, changes: Iterable[JobChange]) -> None:
    for change in changes:
        if change.ending:
            counts[ENDED[change.ending.status]] += 1


def _in_thread(action: Callable[[], Result]) -> Future[Result]:
    """Do something in a thread, which does not keep its process from ending."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(action())
        except BaseException as error:
            future.set_exception(error)

    context = copy_context()  # so that what is logged there names the job, too
    Thread(target=context.run, args=(run,), name="writer", daemon=True).start()
    return future


class Sharing:
    """How a batch gets along with other owners than its own. This is where there are none."""

    is_mixed = False
    """Whether its jobs are of several, who are not to wait until all have ended."""

    def serve(self) -> None:
        """Train what others have who wait, between two parts of the batch."""


NO_OWNERS = Sharing()


class Batch:
    """Knows which parts of a claim have not begun and which have ended, and writes all ends with the last; where they
    are of several owners, also now and then in between.

    Every write waits for a database that is away, and raises LeaseLost when the jobs have become another attempt's.
    """

    def __init__(self, process: Process, lease: Claimed, sharing: Sharing = NO_OWNERS) -> None:
        self._process = process
        self._sharing = sharing
        self._waiting: list[Part] = list(lease.parts)
        self._is_alone = len(self._waiting) == 1
        self._current: Part | None = None
        self._ended: list[tuple[Part, Flush]] = []
        self._contexts: list[Any] = []
        """Where those belong in their traces, if there are any."""
        self._late_at = monotonic() + _LATE * process.settings.flush_seconds
        self._written_at = monotonic()

    def turns(self) -> Iterator[Part]:
        """The parts in their order, each of which is to be ended before the next is asked for."""
        while self._waiting:
            self._serve_others()
            if monotonic() > self._late_at:
                self.separate()
            if self._waiting:
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

    def separate(self) -> None:
        """Write what has ended and give back what has not begun: a current part that has not ended goes on alone."""
        if not self._is_alone:
            self._write(self._given_back(), _SLOWER)
            self._is_alone = True

    def put_back(self, detail: str) -> None:
        """Write what has ended and give back the rest, the current part too, without counting the attempt."""
        assert self._current  # only what has begun is stopped
        self._write([self._current, *self._given_back()], detail)

    def commit(self, write: Callable[[Session], None]) -> None:
        """Write in a transaction, as soon as the database answers."""
        self._process.write_when_possible(write)

    def _serve_others(self) -> None:
        """Their time is none of the batch's."""
        began = monotonic()
        self._sharing.serve()
        self._late_at += monotonic() - began

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
        if ended:
            leases, flushes = zip(*ended, strict=True)
            Flush.joined(flushes).write(session, lease_of(leases), self._process.settings.lease_seconds)
        if back:
            lease_of(back).put_back(session, detail)
