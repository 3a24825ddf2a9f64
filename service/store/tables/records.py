"""The tables of what jobs record."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Table


class Epoch(Table):
    """One pass over the data; see slope.records.EpochRecord."""

    __tablename__ = "epochs"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    loss: Mapped[float]
    last_loss: Mapped[float]
    validation_loss: Mapped[float | None]
    gradient_mean_weights: Mapped[list[float] | None]
    gradient_mean_bias: Mapped[float | None]
    gradient_last_weights: Mapped[list[float] | None]
    gradient_last_bias: Mapped[float | None]
    gradient_norm: Mapped[float]
    weights: Mapped[list[float]]
    bias: Mapped[float | None]
    learning_rate: Mapped[float]
    seconds: Mapped[float]


class EpochExtremes(Table):
    """The extremes of a block of epochs, number by number; see slope.extremes. Not every epoch is in a block."""

    __tablename__ = "epoch_extremes"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    first_epoch: Mapped[int] = mapped_column(primary_key=True)
    last_epoch: Mapped[int]
    block: Mapped[bytes]
    """C extremes: those of the block."""
    buckets: Mapped[bytes]
    """C × B extremes: those of its buckets."""


class Step(Table):
    """One update; see slope.records.StepRecord."""

    __tablename__ = "steps"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    loss: Mapped[float]
    gradient_weights: Mapped[list[float] | None]
    gradient_bias: Mapped[float | None]
    weights: Mapped[list[float]]
    bias: Mapped[float | None]


class Snapshot(Table):
    """The state before an epoch, to replay steps from that were not recorded; see slope.loop.Training.checkpoint."""

    __tablename__ = "snapshots"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[bytes]


class Event(Table):
    """Something that happened to a job: a change of its status, or a warning."""

    __tablename__ = "events"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    """`status` or `warning`."""
    level: Mapped[str]
    """`info`, `warning` or `error`."""
    code: Mapped[str | None]
    """What kind of warning, for programs."""
    at: Mapped[datetime]
    epochs_done: Mapped[int]
    """How many epochs the job had behind it."""
    status: Mapped[str | None]
    detail: Mapped[str | None]
