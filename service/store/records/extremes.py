"""The extremes of epochs, from which few of many epochs are chosen without a look at all of them.

A block is written in the transaction that writes its epochs, where that writes many, and otherwise when somebody
first asks for it. So not every epoch is in a block, and an epoch may be in two: whoever reads has both in mind.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, Integer, Select, TextClause, and_, bindparam, func, literal_column, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.store.records import bulk_reading
from service.store.tables import EpochExtremes
from service.store.tables.base import Identifier
from slope.arrays import Array, Indices
from slope.columns import EpochColumns
from slope.extremes import (
    EXTREMES,
    EpochNumber,
    Extremes,
    block_extremes,
    bucket_extremes,
    count_numbers,
    epochs_as_extremes,
)

_BYTES = EXTREMES.itemsize
FEWEST = 512
"""Epochs that are worth a block when they are recorded. Fewer get theirs with others when they are read."""


def add_extremes_of_jobs(
    session: Session, job_ids: Sequence[UUID] | Mapping[int, UUID], places: Indices, epochs: EpochColumns
) -> None:
    """Of each job that has many of the epochs: row i is of the job at `places[i]`."""
    for place in np.flatnonzero(np.bincount(places) >= FEWEST).tolist():
        add_extremes(session, job_ids[place], epochs.at(np.flatnonzero(places == place)))


def add_extremes(session: Session, job_id: UUID, epochs: EpochColumns) -> None:
    """Those of epochs that follow each other, as a block, unless there is one that begins there."""
    buckets = bucket_extremes(epochs)
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    row = {
        "job_id": job_id,
        "first_epoch": int(epochs.epoch[0]),
        "last_epoch": int(epochs.epoch[-1]),
        "block": block_extremes(buckets).tobytes(),
        "buckets": buckets.tobytes(),
    }
    session.execute(insert(EpochExtremes).on_conflict_do_nothing(), row)


def select_blocks(session: Session, job_id: UUID, number: EpochNumber, window: range) -> Extremes:
    """Those of all blocks that have epochs within a window, by their first epochs."""
    here = _of_window(job_id, window)
    found = select(func.substr(EpochExtremes.block, 1 + number.index * _BYTES, _BYTES))
    return _joined(session, found.where(here).order_by(EpochExtremes.first_epoch))


def select_spans(session: Session, job_id: UUID, window: range) -> list[range]:
    """The epochs of all blocks that have some within a window, by their first."""
    query = select(EpochExtremes.first_epoch, EpochExtremes.last_epoch).where(_of_window(job_id, window))
    return [range(first, last + 1) for first, last in session.execute(query.order_by(EpochExtremes.first_epoch))]


def select_buckets(
    session: Session, job_id: UUID, number: EpochNumber, features: int, blocks: Sequence[int]
) -> Extremes:
    """Those of all buckets of some blocks, which are given by their first epochs."""
    length = func.length(EpochExtremes.buckets, type_=Integer) // count_numbers(features)
    found = select(func.substr(EpochExtremes.buckets, 1 + number.index * length, length))
    return _joined(session, found.where(EpochExtremes.job_id == job_id, EpochExtremes.first_epoch.in_(blocks)))


def read_extremes(session: Session, job_id: UUID, number: EpochNumber, spans: Sequence[range]) -> Extremes:
    """Those of each epoch within some spans, as their rows have it."""
    epochs, values = _select_values(session, job_id, number, spans)
    return epochs_as_extremes(epochs, values)


def _of_window(job_id: UUID, window: range) -> ColumnElement[bool]:
    in_window = and_(EpochExtremes.first_epoch < window.stop, EpochExtremes.last_epoch >= window.start)
    return and_(EpochExtremes.job_id == job_id, in_window)


def _joined(session: Session, blobs: Select[Any]) -> Extremes:
    return np.frombuffer(b"".join(session.scalars(blobs)), EXTREMES)


def _select_values(
    session: Session, job_id: UUID, number: EpochNumber, spans: Sequence[range]
) -> tuple[Indices, Array]:
    rows: Select[Any] = select(literal_column("epoch")).select_from(_epochs_in(session, job_id, spans))
    found = bulk_reading.select_columns(session, ["epoch", number.column], rows)
    epochs, values = found["epoch"], found[number.column]
    assert epochs is not None  # every row has one
    if values is None:
        return epochs, np.full(len(epochs), np.nan)
    return epochs, values if number.place is None or not len(values) else values[:, number.place]


_SPANS = {
    "sqlite": "json_each(:spans) AS span CROSS JOIN epochs ON job_id = :job_id"
    " AND epoch BETWEEN span.value ->> 0 AND span.value ->> 1",
    "postgresql": "json_array_elements(CAST(:spans AS json)) AS span CROSS JOIN LATERAL (SELECT * FROM epochs"
    " WHERE job_id = :job_id AND epoch BETWEEN (span.value ->> 0)::int AND (span.value ->> 1)::int OFFSET 0) AS found",
}
"""The rows of a job's epochs in some spans. Both databases are kept from looking at every epoch, span by span."""


def _epochs_in(session: Session, job_id: UUID, spans: Sequence[range]) -> TextClause:
    pairs = str([[span.start, span.stop - 1] for span in spans])
    joined = text(_SPANS[session.get_bind().dialect.name])
    return joined.bindparams(bindparam("spans", pairs), bindparam("job_id", job_id, Identifier()))
