"""What one transaction writes, of a job or of several: the records, and what changes in the rows of these jobs.

Where the database is slow, training goes on while it writes.
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
from sqlalchemy.orm import Session

from service import tracing
from service.store.counts import ENDED, Count
from service.store.events import JobChange, Wish
from service.store.leases.leases import AttemptLease
from service.store.records import bulk, extremes
from slope.arrays import Indices
from slope.columns import Columns, EpochColumns, StepColumns, join_columns
from worker.counts import Own
from worker.process import retry_while_away

Table = TypeVar("Table", bound=Columns)
Owned = tuple[Sequence[UUID], Table]
"""A table, and whose each of its rows is."""
Result = TypeVar("Result")

_SLOW = 0.1
"""Seconds. After a write that took longer, training does not wait for the next."""


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
