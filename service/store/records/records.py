"""Epoch and step records, read in order: `bulk` writes them once."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, Connection, Select, Text, and_, bindparam, cast, func, select, tuple_
from sqlalchemy.orm import Session

from service.store.records import bulk_reading
from service.store.tables import Dataset, Epoch, Job, Snapshot, Step
from slope.columns import EpochColumns, StepColumns

_EPOCH_COLUMNS = [field.name for field in fields(EpochColumns)]
_STEP_COLUMNS = [field.name for field in fields(StepColumns)]


def numbers_of_epoch(features: int) -> int:
    """Two gradients and the parameters, and what else an epoch has."""
    return 3 * features + 10


def numbers_of_step(features: int) -> int:
    """A gradient and the parameters, and what else a step has."""
    return 2 * features + 10


def latest_snapshot(session: Session, job_id: UUID, epoch: int) -> Snapshot | None:
    """The state before an epoch, or before the nearest earlier one that has a snapshot."""
    query = select(Snapshot).where(Snapshot.job_id == job_id, Snapshot.epoch <= epoch)
    return session.scalar(query.order_by(Snapshot.epoch.desc()).limit(1))


def epochs_after(session: Session, job_id: UUID, epoch: int, limit: int) -> list[Epoch]:
    """At most `limit` epochs that follow the given one, ascending."""
    query = select(Epoch).where(Epoch.job_id == job_id, Epoch.epoch > epoch).order_by(Epoch.epoch).limit(limit)
    return list(session.scalars(query))


def epoch_columns_in(session: Session, job_id: UUID, window: range, limit: int) -> EpochColumns:
    """At most `limit` epochs within a window, ascending."""
    return _epoch_columns(session, select(Epoch).where(_within(job_id, window)).order_by(Epoch.epoch).limit(limit))


def epoch_columns_among(session: Session, job_id: UUID, epochs: Sequence[int]) -> EpochColumns:
    """Those of the epochs that are there, ascending.

    They are ordered here: asked for the order, PostgreSQL looks at every epoch of the job.
    """
    found = _epoch_columns(session, select(Epoch).where(Epoch.job_id == job_id, Epoch.epoch.in_(epochs)))
    return found.at(np.argsort(found.epoch))


def _epoch_columns(session: Session, rows: Select[Any]) -> EpochColumns:
    return EpochColumns(**bulk_reading.select_columns(session, _EPOCH_COLUMNS, rows))  # type: ignore[arg-type]


def first_epochs(session: Session, job_id: UUID, window: range, limit: int) -> list[int]:
    """Which epochs are there within a window, ascending: at most `limit`.

    Each is the next after the one before: PostgreSQL, which knows nothing yet of new rows, would sort all of them.
    """
    least = select(func.min(Epoch.epoch).label("epoch"))
    found = least.where(_within(job_id, window)).cte("found", recursive=True)
    later = and_(Epoch.job_id == job_id, Epoch.epoch > found.c.epoch, Epoch.epoch < window.stop)
    found = found.union_all(select(least.where(later).scalar_subquery()).where(found.c.epoch.is_not(None)))
    return list(session.scalars(select(found.c.epoch).where(found.c.epoch.is_not(None)).limit(limit)))


def last_epoch(session: Session, job_id: UUID, window: range) -> int:
    """The last one that is there within a window, in which there are some."""
    return session.scalars(select(func.max(Epoch.epoch)).where(_within(job_id, window))).one()


def _within(job_id: UUID, window: range) -> ColumnElement[bool]:
    return and_(Epoch.job_id == job_id, Epoch.epoch.between(window.start, window.stop - 1))


def epoch_at(session: Session, job_id: UUID, epoch: int) -> Epoch | None:
    return session.get(Epoch, (job_id, epoch))


def has_steps(session: Session, job_id: UUID, epoch: int) -> bool:
    """Whether steps of an epoch are recorded."""
    query = select(Step.step).where(Step.job_id == job_id, Step.epoch == epoch).limit(1)
    return session.scalar(query) is not None


def steps_in(session: Session, job_id: UUID, epoch: int, window: range) -> list[Step]:
    """The recorded steps of an epoch within a window, ascending."""
    query = select(Step).where(Step.job_id == job_id, Step.epoch == epoch)
    return list(session.scalars(query.where(Step.step.between(window.start, window.stop - 1)).order_by(Step.step)))


def recorded_steps_after(session: Session, job_id: UUID, after: tuple[int, int], limit: int) -> list[Step]:
    """At most `limit` recorded steps of any epoch, ascending, that follow one by its epoch and its number."""
    query = select(Step).where(Step.job_id == job_id, tuple_(Step.epoch, Step.step) > after)
    return list(session.scalars(query.order_by(Step.epoch, Step.step).limit(limit)))


def step_columns_in(session: Session, job_id: UUID, epoch: int, window: range) -> StepColumns:
    """The recorded steps of an epoch within a window, ascending."""
    here = and_(Step.job_id == job_id, Step.epoch == epoch, Step.step.between(window.start, window.stop - 1))
    rows = select(Step).where(here).order_by(Step.step)
    return StepColumns(**bulk_reading.select_columns(session, _STEP_COLUMNS, rows))  # type: ignore[arg-type]


def columns_of_steps(steps: Sequence[Step]) -> StepColumns:
    """At least one step, all of the same model."""
    columns = {name: [getattr(step, name) for step in steps] for name in _STEP_COLUMNS}
    arrays = {name: None if column[0] is None else np.array(column) for name, column in columns.items()}
    return StepColumns(**arrays)  # type: ignore[arg-type]


class RecordedStep(NamedTuple):
    """A step as it was recorded, and all that it can be done again from, but for the numbers of the dataset."""

    epoch: int
    step: int
    loss: float
    gradient_weights: list[float] | None
    gradient_bias: float | None
    weights: list[float]
    bias: float | None
    spec: str
    """As JSON."""
    engine: str
    device: str | None
    object_id: UUID
    numbers: dict[str, list[float]] | None
    """Of the dataset, where they are in its row."""
    rows: int
    """Of the dataset."""
    features: list[str]
    target: str
    row_weights: str | None


_OF_STEP = (Step.epoch, Step.step, Step.loss, Step.gradient_weights, Step.gradient_bias, Step.weights, Step.bias)
_ENGINE = Job.plan["engine"].as_string()
_OF_JOB = (
    cast(Job.spec, Text),
    _ENGINE,
    Job.assigned_device,
    Dataset.object_id,
    Dataset.numbers,
    Dataset.rows,
    Job.features,
    Job.target,
    Job.row_weights,
)
_RECORDED_STEP: Select[Any] = (
    select(*_OF_STEP, *_OF_JOB)
    .join(Job, Job.id == Step.job_id)
    .join(Dataset, Dataset.id == Job.dataset_id)
    .where(Step.job_id == bindparam("job_id"), Step.epoch == bindparam("epoch"), Step.step == bindparam("step"))
)
"""Made once: building it takes longer than running it."""


def recorded_step(connection: Connection, job_id: UUID, epoch: int, step: int) -> RecordedStep | None:
    """By one query: None where the step, or the job, is not there."""
    row = connection.execute(_RECORDED_STEP, {"job_id": job_id, "epoch": epoch, "step": step}).one_or_none()
    return None if row is None else RecordedStep._make(row)
