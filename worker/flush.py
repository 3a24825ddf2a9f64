"""What one transaction writes: records of a job or of several, and what changes in the rows of these jobs."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Self, TypeVar
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from service.store import extremes, records
from service.store.changes import JobChange
from service.store.leases import AttemptLease
from slope.columns import Columns, EpochColumns, StepColumns, join_columns

Table = TypeVar("Table", bound=Columns)
Owned = tuple[Sequence[UUID], Table]
"""A table, and whose each of its rows is."""


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

    def write(self, session: Session, lease: AttemptLease, lease_seconds: float) -> set[UUID]:
        """Write all of it and extend the lease. Which of the lease's jobs are to be cancelled.

        The jobs' rows last: while they are locked, the heartbeat waits for the commit. Whether they are still the
        lease's decides whether all of it may be written.
        """
        with records.written_by_one(session, lambda: lease.lock_jobs(session, self.changes)):
            write_records(session, self)
        return lease.change(session, self.changes, lease_seconds)


def write_records(session: Session, flush: Flush) -> None:
    for owners, epochs in _joined(flush.epochs):
        records.add_epochs(session, owners, epochs)
        places = {job_id: place for place, job_id in enumerate(dict.fromkeys(owners))}
        of_rows = np.array([places[job_id] for job_id in owners])
        extremes.add_extremes_of_jobs(session, list(places), of_rows, epochs)
    for owners, steps in _joined(flush.steps):
        records.add_steps(session, owners, steps)
    records.add_snapshots(session, flush.snapshots)


def _joined(tables: Sequence[Owned[Table]]) -> Iterator[Owned[Table]]:
    """As few as may be: those that have the same columns are one."""
    alike: dict[Any, list[Owned[Table]]] = defaultdict(list)
    for owned in tables:
        alike[owned[1].layout].append(owned)
    for same in alike.values():
        yield list(chain(*(owners for owners, _ in same))), join_columns([table for _, table in same])
