"""Few of many epochs, chosen by one of their numbers, so that every spike of it is among them.

Most of a stretch is known from the extremes of its blocks and buckets; only the epochs at its two ends, and those that
no block has, are looked at one by one.
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from service.errors import DatabaseError
from service.store.database import Database
from service.store.records import extremes
from service.store.records import records as stored
from slope.extremes import EpochNumber, Extremes, chosen_epochs

_MOST_UNKNOWN = 8192
"""Epochs one after the other that no block has: more of them get blocks."""
_BLOCK = 4096
"""Epochs of such a block, and those that are looked at together, one by one."""

log = structlog.get_logger()


def ensure_extremes(database: Database, job_id: UUID, window: range) -> None:
    """Keep the extremes of many epochs that have none: those recorded by an earlier version, or a few at a time.

    Nobody depends on it: where the database cannot be written to, the next who asks tries again.
    """
    with database.reading() as session:
        following = _epochs_without_block(session, job_id, window)
    try:
        for span in following:
            _add_blocks(database, job_id, span)
    except DatabaseError as error:
        log.warning("the extremes of epochs were not kept", job_id=str(job_id), error=str(error))


def choose_epochs(
    session: Session, job_id: UUID, features: int, number: EpochNumber, window: range, points: int
) -> list[int]:
    """At most this many (4 or more) of the epochs within a window, ascending: enough to draw the number by.

    The epochs are divided into equal stretches; see slope.extremes.chosen_epochs.
    """
    found = stored.first_epochs(session, job_id, window, points + 1)
    if len(found) <= points:
        return found
    window = range(found[0], stored.last_epoch(session, job_id, window) + 1)
    length = -(-len(window) // (points // 4))
    parts = _parts(session, job_id, features, number, window, length)
    chosen: list[int] = chosen_epochs(parts, (parts["first"] - window.start) // length).tolist()
    return chosen


def _epochs_without_block(session: Session, job_id: UUID, window: range) -> list[range]:
    """Where more epochs than one looks at follow each other, and have no block."""
    found = stored.first_epochs(session, job_id, window, 1)
    if not found:
        return []
    window = range(found[0], stored.last_epoch(session, job_id, window) + 1)
    if len(window) <= _MOST_UNKNOWN:
        return []
    return [gap for gap in _gaps(extremes.select_spans(session, job_id, window), window) if len(gap) > _MOST_UNKNOWN]


def _add_blocks(database: Database, job_id: UUID, span: range) -> None:
    while span:
        with database.reading() as session:
            epochs = stored.epoch_columns_in(session, job_id, span, _BLOCK)
        if not len(epochs):
            return
        with database.writing() as session:
            extremes.add_extremes(session, job_id, epochs)
            session.commit()
        span = range(int(epochs.epoch[-1]) + 1, span.stop)


def _parts(session: Session, job_id: UUID, features: int, number: EpochNumber, window: range, length: int) -> Extremes:
    """The extremes of parts that together are the window, none of which lies in two stretches of this length."""
    blocks = extremes.select_blocks(session, job_id, number, window)
    whole = _lie_whole(blocks, window, length)
    split = blocks["first"][~whole].tolist()
    buckets = extremes.select_buckets(session, job_id, number, features, split) if split else blocks[:0]
    known = np.concatenate([blocks[whole], buckets[_lie_whole(buckets, window, length)]])
    spans = [range(first, last + 1) for first, last in np.sort(known[["first", "last"]]).tolist()]
    rows = (extremes.read_extremes(session, job_id, number, some) for some in _portions(_gaps(spans, window)))
    return np.concatenate([known, *rows])


def _lie_whole(parts: Extremes, window: range, length: int) -> NDArray[np.bool_]:
    """Which of the parts lie in one stretch of the window."""
    first, last = (parts[name].astype(np.int64) - window.start for name in ("first", "last"))
    whole: NDArray[np.bool_] = (first >= 0) & (last < len(window)) & (first // length == last // length)
    return whole


def _gaps(spans: Sequence[range], window: range) -> list[range]:
    """The parts of a window that none of the spans, which are ordered by their first, has."""
    gaps, start = [], window.start
    for span in spans:
        if span.start > start:
            gaps.append(range(start, min(span.start, window.stop)))
        start = max(start, span.stop)
    return [gap for gap in [*gaps, range(start, window.stop)] if gap]


def _portions(spans: list[range]) -> Iterator[list[range]]:
    """The spans in portions of some thousand epochs; long ones are divided."""
    portion: list[range] = []
    for span in spans:
        for start in range(span.start, span.stop, _BLOCK):
            portion.append(range(start, min(start + _BLOCK, span.stop)))
            if sum(map(len, portion)) >= _BLOCK:
                yield portion
                portion = []
    if portion:
        yield portion
