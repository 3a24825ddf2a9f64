"""What workers have done since they began, in numbers that only grow: each keeps its own in its row.

A worker that is forgotten hands its numbers on to the one that registers then, so that their sum never falls.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import IntEnum, auto

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.store.tables import Worker

Counts = Mapping[str, float]


class Count(IntEnum):
    """What is counted, as a place in a process's numbers. The name is the key in SQL."""

    CLAIMED = 0
    SUCCEEDED = auto()
    FAILED = auto()
    CANCELLED = auto()
    FLUSHES = auto()
    FLUSH_SECONDS = auto()
    EPOCHS = auto()
    STEPS = auto()
    LEASES_LOST = auto()
    RELEASED = auto()
    RUNG_AGAIN = auto()


ENDED = {"succeeded": Count.SUCCEEDED, "failed": Count.FAILED, "cancelled": Count.CANCELLED}


def total_counts(session: Session) -> Counts:
    """What all workers have done, also those that are gone."""
    return joined_counts(session.execute(select(Worker.counts, Worker.inherited_counts)))


def joined_counts(rows: Iterable[Iterable[Counts | None]]) -> Counts:
    total: Counter[str] = Counter()
    for row in rows:
        for counts in row:
            total.update(_sound(counts))
    return total


def _sound(counts: Counts | None) -> Counts:
    """But for what somebody has damaged."""
    pairs = counts.items() if isinstance(counts, dict) else ()
    return {name: number for name, number in pairs if isinstance(number, int | float)}
