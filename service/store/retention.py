"""What is old enough to go, and its deletion in parts: a transaction that deletes much would keep workers waiting."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from service.store.datasets import is_unused
from service.store.tables import Alias, Dataset, Epoch, Job, Step, Sweep

_RECORDS: list[tuple[Any, tuple[Any, ...]]] = [(Step, (Step.epoch, Step.step)), (Epoch, (Epoch.epoch,))]
"""Tables of which a job may have many rows, and by what these are counted. The others go with the job."""


def ended_jobs(
    session: Session, before: datetime, statuses: Sequence[str], *, after: UUID | None, limit: int
) -> list[UUID]:
    """Jobs that ended before a moment in one of these ways, and that nobody has named; the jobs of a sweep together or
    not at all."""
    other = aliased(Job)
    stays = (
        other.finished_at.is_(None),
        other.finished_at >= before,
        other.status.not_in(statuses),
        exists().where(Alias.job_id == other.id),
    )
    query = select(Job.id).where(
        Job.status.in_(statuses),
        Job.finished_at < before,
        ~exists().where(Alias.job_id == Job.id),
        ~exists().where(other.sweep_id == Job.sweep_id, or_(*stays)),
    )
    if after is not None:
        query = query.where(Job.id > after)
    return list(session.scalars(query.order_by(Job.id).limit(limit)))


def unnamed_jobs(session: Session, job_ids: Sequence[UUID]) -> set[UUID]:
    """Those of some jobs that have no alias. Who has locked them knows that none gets one."""
    named = session.scalars(select(Alias.job_id).where(Alias.job_id.in_(job_ids)))
    return set(job_ids) - set(named)


def remove_records(session: Session, job_id: UUID, limit: int) -> int:
    """Delete at most this many steps and epochs of a job, the last ones first. How many they were."""
    gone = 0
    for table, order in _RECORDS:
        if gone < limit:
            gone += _remove_last(session, table, order, table.job_id == job_id, limit - gone)
    return gone


def _remove_last(
    session: Session, table: Any, order: tuple[Any, ...], condition: ColumnElement[bool], limit: int
) -> int:
    last = select(*order).where(condition).order_by(*(each.desc() for each in order)).limit(1).offset(limit - 1)
    first = session.execute(last).one_or_none()
    chosen = [condition] if first is None else [condition, tuple_(*order) >= tuple_(*first)]
    gone = session.execute(delete(table).where(*chosen))
    return int(gone.rowcount)  # type: ignore[attr-defined]


def remove_oldest(session: Session, moment: InstrumentedAttribute[datetime], before: datetime, limit: int) -> int:
    """Delete at most this many rows of a table whose moment is before another. How many they were."""
    table: Any = moment.class_
    oldest = select(table.id).where(moment < before).order_by(moment).limit(limit)
    gone = session.execute(delete(table).where(table.id.in_(oldest)))
    return int(gone.rowcount)  # type: ignore[attr-defined]


def count_records(session: Session, job_ids: Sequence[UUID]) -> int:
    """How many steps and epochs jobs have."""
    counts = [select(func.count()).where(table.job_id.in_(job_ids)) for table, _ in _RECORDS]
    return sum(session.scalar(count) or 0 for count in counts)


def empty_sweeps(session: Session, before: datetime) -> list[UUID]:
    """Sweeps from before a moment whose jobs are all gone."""
    query = select(Sweep.id).where(Sweep.created_at < before, ~exists().where(Job.sweep_id == Sweep.id))
    return list(session.scalars(query))


def remove_sweeps(session: Session, sweep_ids: Sequence[UUID]) -> None:
    """Delete sweeps that have no jobs."""
    session.execute(delete(Sweep).where(Sweep.id.in_(sweep_ids), ~exists().where(Job.sweep_id == Sweep.id)))


def unused_datasets(session: Session, before: datetime) -> list[UUID]:
    """Datasets that were uploaded before a moment without a name, and that no job refers to."""
    unnamed = (~Dataset.is_inline, Dataset.name.is_(None), Dataset.created_at < before)
    return list(session.scalars(select(Dataset.id).where(*unnamed, is_unused()).order_by(Dataset.id)))
