"""Epoch and step records: written once, read in order."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, Connection, Select, Text, and_, bindparam, case, cast, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.store import bulk, bulk_reading
from service.store.tables import Dataset, Epoch, Job, Snapshot, Step
from slope.columns import EpochColumns, StepColumns

JobIds = Sequence[UUID]

_EPOCH_COLUMNS = [field.name for field in fields(EpochColumns)]
_STEP_COLUMNS = [field.name for field in fields(StepColumns)]


@contextmanager
def written_by_one(session: Session, refuse_lost: Callable[[], object]) -> Iterator[None]:
    """Add records in the block. Where another attempt has written them before, `refuse_lost` raises LeaseLost."""
    try:
        yield
    except IntegrityError:
        session.rollback()
        refuse_lost()
        raise


def add_epochs(session: Session, job_ids: JobIds, epochs: EpochColumns) -> None:
    """Row i is of the job `job_ids[i]`."""
    bulk.insert_rows(session, Epoch.__tablename__, job_ids, epochs.arrays())


def add_steps(session: Session, job_ids: JobIds, steps: StepColumns) -> None:
    """Row i is of the job `job_ids[i]`."""
    bulk.insert_rows(session, Step.__tablename__, job_ids, steps.arrays())


def add_snapshots(session: Session, snapshots: list[dict[str, Any]]) -> None:
    """As dictionaries by column."""
    if snapshots:
        session.execute(insert(Snapshot), snapshots)


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


def epoch_columns_after(session: Session, job_id: UUID, epoch: int, limit: int) -> EpochColumns:
    """At most `limit` epochs that follow the given one, ascending."""
    return _epoch_columns(session, and_(Epoch.job_id == job_id, Epoch.epoch > epoch), limit)


def epoch_columns_among(session: Session, job_id: UUID, epochs: Sequence[int]) -> EpochColumns:
    """Those of the epochs that are there, ascending."""
    return _epoch_columns(session, and_(Epoch.job_id == job_id, Epoch.epoch.in_(epochs)), len(epochs))


def _epoch_columns(session: Session, here: ColumnElement[bool], limit: int) -> EpochColumns:
    rows = select(Epoch).where(here).order_by(Epoch.epoch).limit(limit)
    return EpochColumns(**bulk_reading.select_columns(session, _EPOCH_COLUMNS, rows))  # type: ignore[arg-type]


def select_thinned_epochs(session: Session, job_id: UUID, epoch: int, count: int) -> list[int]:
    """At most `count` (4 or more) of the epochs that follow the given one: enough to draw their losses by.

    They are divided into equal stretches, and of each the first and the last are taken and those with the least and
    the greatest loss, as in M4 (Jugel et al., VLDB 2014): a line through them looks like the line through all.
    """
    here = and_(Epoch.job_id == job_id, Epoch.epoch > epoch)
    found = session.execute(select(func.count(), func.min(Epoch.epoch), func.max(Epoch.epoch)).where(here)).one()
    if found[0] <= count:
        return list(session.scalars(select(Epoch.epoch).where(here).order_by(Epoch.epoch)))
    length = -(-(found[2] - found[1] + 1) // (count // 4))
    stretch = (Epoch.epoch - found[1]) // length
    return sorted({epoch for row in session.execute(_extremes(here, stretch)) for epoch in row})


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


def _extremes(here: ColumnElement[bool], stretch: ColumnElement[Any]) -> Select[Any]:
    """For every stretch its first and its last epoch, and the first with its least and with its greatest loss."""
    first, last = func.min(Epoch.epoch).label("first"), func.max(Epoch.epoch).label("last")
    least, greatest = func.min(Epoch.loss).label("least"), func.max(Epoch.loss).label("greatest")
    of = select(stretch.label("stretch"), first, last, least, greatest).where(here).group_by(stretch).subquery()
    with_least = func.min(case((Epoch.loss == of.c.least, Epoch.epoch)))
    with_greatest = func.min(case((Epoch.loss == of.c.greatest, Epoch.epoch)))
    query = select(of.c.first, of.c.last, with_least, with_greatest).select_from(Epoch)
    return query.join(of, of.c.stretch == stretch).where(here).group_by(of.c.first, of.c.last)
