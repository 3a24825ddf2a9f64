"""Lists of jobs: which jobs, in which order, and where a page goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import gt, lt
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.selectable import TableValuedAlias

from service.store import events
from service.store.jobs.aliases import has_alias
from service.store.tables import Job

SORTED: dict[str, InstrumentedAttribute[Any]] = {
    "created": Job.id,
    "finished": Job.finished_at,
    "loss": Job.loss_last,
    "validation": Job.loss_validation,
    "seconds": Job.seconds,
}
"""By what jobs can be sorted: the column that holds it. Ids grow with the time at which they were made."""


class Period(NamedTuple):
    """A stretch of time: `since` belongs to it, `before` does not. None has no end on that side."""

    since: datetime | None = None
    before: datetime | None = None


ALWAYS = Period()


@dataclass(frozen=True)
class Filters:
    """Which jobs to list. None, and what is empty, do not filter."""

    statuses: tuple[str, ...] = ()
    name: str | None = None
    dataset_id: UUID | None = None
    sweep_id: UUID | None = None
    in_sweep: bool | None = None
    """Only jobs that belong to a sweep, or only those that belong to none."""
    metadata: tuple[tuple[str, str], ...] = ()
    ids: tuple[UUID, ...] = ()
    words: str | None = None
    """What the name or a value of the metadata contains, in capitals or not."""
    created: Period = ALWAYS
    finished: Period = ALWAYS

    @property
    def keep_all(self) -> bool:
        return self == Filters()


@dataclass(frozen=True)
class Order:
    """What jobs are sorted by, a key of `SORTED`. Jobs that have no such value come last, whichever way it goes."""

    by: str = "created"
    descending: bool = True


NEWEST_FIRST = Order()


@dataclass(frozen=True)
class Position:
    """A place in an order: the value there, None in that of creation, and the job, for values may be equal."""

    value: float | datetime | None
    job_id: UUID


def select_jobs(
    session: Session, filters: Filters, *, order: Order = NEWEST_FIRST, after: Position | None = None, limit: int
) -> list[Job]:
    """At most `limit` jobs in that order, after a position."""
    query = select(Job).where(*_conditions(filters, session)).options(events.of_jobs)
    if after is not None:
        query = query.where(_beyond(order, after))
    return list(session.scalars(query.order_by(*_ordering(order)).limit(limit)))


def position_of(job: Job, order: Order) -> Position:
    return Position(None if order.by == "created" else getattr(job, SORTED[order.by].key), job.id)


def count_selected(session: Session, filters: Filters, statuses: Sequence[str], *, without_alias: bool = False) -> int:
    """How many jobs of the filters have one of these statuses, and no alias where that is asked."""
    query = select(func.count()).select_from(Job).where(*_selection(filters, statuses, session, without_alias))
    return session.scalars(query).one()


def select_ids(
    session: Session, filters: Filters, statuses: Sequence[str], *, without_alias: bool = False, limit: int
) -> list[UUID]:
    """The same jobs, oldest first."""
    query = select(Job.id).where(*_selection(filters, statuses, session, without_alias))
    return list(session.scalars(query.order_by(Job.id).limit(limit)))


def _selection(
    filters: Filters, statuses: Sequence[str], session: Session, without_alias: bool
) -> list[ColumnElement[bool]]:
    nameless = [~has_alias()] if without_alias else []
    return [Job.status.in_(statuses), *nameless, *_conditions(filters, session)]


def _ordering(order: Order) -> list[ColumnElement[Any]]:
    newer = Job.id.desc() if order.descending else Job.id.asc()
    if order.by == "created":
        return [newer]
    column = SORTED[order.by]
    return [column.is_(None), column.desc() if order.descending else column.asc(), newer]


def _beyond(order: Order, position: Position) -> ColumnElement[bool]:
    past = lt if order.descending else gt
    column = SORTED[order.by]
    later: ColumnElement[bool] = past(Job.id, position.job_id)
    if order.by == "created":
        return later
    if position.value is None:
        return and_(column.is_(None), later)
    return or_(past(column, position.value), and_(column == position.value, later), column.is_(None))


def _conditions(filters: Filters, session: Session) -> list[ColumnElement[bool]]:
    wanted = {Job.name: filters.name, Job.dataset_id: filters.dataset_id, Job.sweep_id: filters.sweep_id}
    conditions = [column == value for column, value in wanted.items() if value is not None]
    if filters.in_sweep is not None:
        conditions.append(Job.sweep_id.is_not(None) if filters.in_sweep else Job.sweep_id.is_(None))
    if filters.statuses:
        conditions.append(Job.status.in_(filters.statuses))
    if filters.ids:
        conditions.append(Job.id.in_(filters.ids))
    if filters.words:
        conditions.append(_has_words(filters.words, session))
    conditions += _within(Job.created_at, filters.created) + _within(Job.finished_at, filters.finished)
    return conditions + [_has_metadata(key, value, session) for key, value in filters.metadata]


def _within(column: InstrumentedAttribute[Any], period: Period) -> list[ColumnElement[bool]]:
    since = [] if period.since is None else [column >= period.since]
    return since if period.before is None else [*since, column < period.before]


def _has_words(words: str, session: Session) -> ColumnElement[bool]:
    pairs = _pairs(session)
    in_metadata = exists(select(1).select_from(pairs).where(pairs.c.value.icontains(words, autoescape=True)))
    return or_(Job.name.icontains(words, autoescape=True), in_metadata)


def _has_metadata(key: str, value: str, session: Session) -> ColumnElement[bool]:
    if _is_postgresql(session):
        return type_coerce(Job.metadata_, JSONB).contains({key: value})
    pairs = _pairs(session)
    return exists(select(1).select_from(pairs).where(pairs.c.key == key, pairs.c.value == value))


def _pairs(session: Session) -> TableValuedAlias:
    """The metadata of a job as rows."""
    pairs = func.jsonb_each_text if _is_postgresql(session) else func.json_each
    return pairs(Job.metadata_).table_valued("key", "value")


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"
