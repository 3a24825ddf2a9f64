"""The documents of one job as they are kept, each read by itself: one that somebody has damaged spoils no other."""

from collections.abc import Generator, Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.store.tables import Dataset, Job, Partition, Snapshot, Table

_JOBS, _DATASETS, _SNAPSHOTS, _PARTITIONS = (
    Table.metadata.tables[table.__tablename__] for table in (Job, Dataset, Snapshot, Partition)
)


def sees_job(session: Session, job_id: UUID) -> bool:
    """Whether it is there in the view of the session's owner, past which everything else here is read: a job may have
    learnt from data of others."""
    return session.scalar(select(Job.id).where(Job.id == job_id)) is not None


def read_column(session: Session, job_id: UUID, name: str) -> Any:
    """Of the job's row, as the class calls it."""
    column = Job.__mapper__.columns[name]
    return session.scalar(select(column).where(_JOBS.c.id == job_id))


def read_column_of_data(session: Session, job_id: UUID, name: str) -> Any:
    """Of the row of the dataset that the job learns from."""
    of_job = _JOBS.join(_DATASETS, _JOBS.c.dataset_id == _DATASETS.c.id)
    return session.scalar(select(_DATASETS.c[name]).select_from(of_job).where(_JOBS.c.id == job_id))


def read_states(session: Session, job_id: UUID) -> Generator[bytes, None, None]:
    """Of its snapshots and its checkpoint. One is in memory at a time: close what is not read to its end."""
    states = select(_SNAPSHOTS.c.state).where(_SNAPSHOTS.c.job_id == job_id)
    with session.execute(states.execution_options(yield_per=1)) as rows:
        yield from rows.scalars()
    if checkpoint := read_column(session, job_id, "checkpoint"):
        yield checkpoint


def read_partitions(session: Session, job_id: UUID) -> Iterator[bytes]:
    """What its data was reduced to in parts."""
    is_reduced = _PARTITIONS.c.reduced.is_not(None)
    yield from session.scalars(select(_PARTITIONS.c.reduced).where(_PARTITIONS.c.job_id == job_id, is_reduced))
