"""The documents of one row as they are kept, each read by itself: one that somebody has damaged spoils no other."""

from collections.abc import Generator, Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.store.tables import Dataset, Job, Partition, RowPass, Snapshot, Sweep, Table

_SNAPSHOTS, _PARTITIONS, _PASSES = (
    Table.metadata.tables[table.__tablename__] for table in (Snapshot, Partition, RowPass)
)


def sees_row(session: Session, kind: type[Job] | type[Dataset] | type[Sweep], row_id: UUID) -> bool:
    """Whether it is there in the view of the session's owner, past which everything else here is read: a job may have
    learnt from data of others."""
    return session.scalar(select(kind.id).where(kind.id == row_id)) is not None


def read_column(session: Session, kind: type[Job] | type[Dataset] | type[Sweep], row_id: UUID, name: str) -> Any:
    """Of a row, as its class calls it."""
    columns = kind.__mapper__.columns
    return session.scalar(select(columns[name]).where(columns["id"] == row_id))


def read_states(session: Session, job_id: UUID) -> Generator[bytes, None, None]:
    """Of a job's snapshots and its checkpoint. One is in memory at a time: close what is not read to its end."""
    states = select(_SNAPSHOTS.c.state).where(_SNAPSHOTS.c.job_id == job_id)
    with session.execute(states.execution_options(yield_per=1)) as rows:
        yield from rows.scalars()
    if checkpoint := read_column(session, Job, job_id, "checkpoint"):
        yield checkpoint


def read_partitions(session: Session, job_id: UUID) -> Iterator[bytes]:
    """What the data of a job was reduced to in parts."""
    is_reduced = _PARTITIONS.c.reduced.is_not(None)
    yield from session.scalars(select(_PARTITIONS.c.reduced).where(_PARTITIONS.c.job_id == job_id, is_reduced))


def read_found(session: Session, job_id: UUID) -> Iterator[Any]:
    """What passes over the rows of a job found."""
    is_made = _PASSES.c.result.is_not(None)
    yield from session.scalars(select(_PASSES.c.result).where(_PASSES.c.job_id == job_id, is_made))
