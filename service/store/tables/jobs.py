"""The tables of jobs and sweeps, and of the partitions in which the data of large jobs is reduced."""

from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.errors import JobDamaged
from service.store.tables.base import Owned, Table, read_document, write_document
from service.store.tables.datasets import Dataset
from service.store.tables.records import Event
from slope.answers.plan import Plan
from slope.engines.plan import PlanDamaged, kept_plan
from slope.spec import TrainingSpec
from slope.statuses import FINAL, STATUSES

_RUNNING = text("status = 'running'")
_WAITS_FOR_TURN = text("status = 'queued' AND owner <> ''")
_MOST_SPECS, _LONGEST_SPEC = 64, 4096
"""How many are kept, and of how many characters at most."""


class Sweep(Owned, Table):
    """Many jobs on one dataset that were asked for together."""

    __tablename__ = "sweeps"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    idempotency_key: Mapped[str | None] = mapped_column(unique=True)
    """As service.jobs.idempotency writes it: with its owner."""
    fingerprint: Mapped[str | None]
    """Hash of the request that came with the key."""
    name: Mapped[str | None]
    metadata_: Mapped[dict[str, str]] = mapped_column("metadata")
    """The request's metadata: SQLAlchemy keeps that name for itself."""
    spec: Mapped[dict[str, Any]]
    """The hyperparameters that the jobs have in common."""
    cross_validation: Mapped[int | None]
    """Into how many folds the rows are dealt, for every job; null where it was not asked for."""
    swept: Mapped[list[Any]]
    """Names of the hyperparameters in which the jobs differ."""


class Job(Owned, Table):
    """One training run: what was asked for, who works on it, how far it is, and what came out."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(f"status IN {STATUSES}", name="status"),
        Index(None, "status", "id"),
        Index(None, "lease_until", postgresql_where=_RUNNING, sqlite_where=_RUNNING),
        Index(None, "group_id", "place"),
        Index(None, "owner", "id"),
        Index(None, "sweep_id", "id"),
        Index(
            "jobs_turn_index", "status", "owner", "id", postgresql_where=_WAITS_FOR_TURN, sqlite_where=_WAITS_FOR_TURN
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(default=1, onupdate=text("version + 1"))
    """Grows with every change: what ETag and waiting clients look at."""
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    idempotency_key: Mapped[str | None] = mapped_column(unique=True)
    """As service.jobs.idempotency writes it: with its owner."""
    fingerprint: Mapped[str | None]
    """Hash of the request that came with the key."""

    name: Mapped[str | None] = mapped_column(index=True)
    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id"), index=True)
    features: Mapped[list[Any]]
    """Names of the columns that are x, in their order."""
    target: Mapped[str]
    """Name of the column that is y."""
    row_weights: Mapped[str | None]
    """Name of the column that says how much each row counts; null where they count alike."""
    sweep_id: Mapped[UUID | None] = mapped_column(ForeignKey("sweeps.id"))
    group_id: Mapped[UUID | None]
    """Shared by the jobs of a sweep that train together; they are claimed together."""
    group_width: Mapped[int | None]
    place: Mapped[int | None]
    """The job's model among those of its group, below the group's width."""
    initial_from: Mapped[dict[str, Any] | None]
    """Which job it goes on from, and how; its parameters are in `spec`, its optimizer's in the snapshot of epoch 0."""
    spec: Mapped[dict[str, Any]]
    predict: Mapped[list[Any]]
    device: Mapped[str]
    timeout_seconds: Mapped[float | None]
    cross_validation: Mapped[int | None]
    """Into how many folds the rows are dealt; null where it was not asked for."""
    metadata_: Mapped[dict[str, str]] = mapped_column("metadata")
    """The request's metadata: SQLAlchemy keeps that name for itself."""
    traceparent: Mapped[str | None]
    """Where it belongs in the trace of the request that made it; null where there are no traces."""
    plan: Mapped[dict[str, Any]]
    analysis: Mapped[dict[str, Any] | None]

    status: Mapped[str]
    attempt: Mapped[int] = mapped_column(default=0)
    crashes: Mapped[int] = mapped_column(default=0)
    """Attempts in a row that died with their worker and recorded nothing."""
    recorded_in: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """The last attempt that recorded anything."""
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    pause_requested: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Of a running job: its attempt is to give it back, and it is paused then."""
    rung_at: Mapped[datetime | None]
    lease_token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    worker_id: Mapped[UUID | None]
    process_id: Mapped[int | None]
    """Of the worker's child that trains."""
    assigned_device: Mapped[str | None]
    checkpoint: Mapped[bytes | None] = mapped_column(deferred=True)
    event_count: Mapped[int] = mapped_column(default=0)

    partitions_done: Mapped[int | None]
    """Of those in which the data is reduced before the first epoch; null where it is not."""
    epochs: Mapped[int]
    epochs_done: Mapped[int] = mapped_column(default=0)
    seconds: Mapped[float] = mapped_column(default=0.0)
    """Time spent in the epochs that are done."""
    loss_first: Mapped[float | None]
    loss_last: Mapped[float | None]
    loss_best: Mapped[float | None]
    loss_validation: Mapped[float | None]
    loss_training: Mapped[float | None]
    """Of all rows trained on after the last update, without penalties; of a job that has succeeded."""
    loss_cross_validation: Mapped[float | None]
    """The mean squared error of its cross-validation."""
    metrics: Mapped[dict[str, Any] | None]
    """How well the model predicts the rows of each kind."""
    weights: Mapped[list[float] | None]
    bias: Mapped[float | None]
    scaler: Mapped[dict[str, Any] | None]
    predictions_before: Mapped[list[float] | None]
    predictions_after: Mapped[list[float] | None]
    error_code: Mapped[str | None]
    error_detail: Mapped[str | None]

    dataset: Mapped[Dataset] = relationship(lazy="joined", innerjoin=True)
    events: Mapped[list[Event]] = relationship(order_by="Event.seq", lazy="raise", viewonly=True)
    """Where they were asked for; see service.store.events.of_jobs."""

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @cached_property
    def training_spec(self) -> TrainingSpec:
        """What `spec` says: it never changes, but for a learning rate that is chosen before the first epoch.

        Raises JobDamaged.
        """
        try:
            document = write_document(self.spec)
            return _spec_of(document) if len(document) <= _LONGEST_SPEC else TrainingSpec.model_validate(self.spec)
        except (TypeError, ValueError) as error:
            raise JobDamaged(self.id, ["hyperparameters"]) from error

    @cached_property
    def planned(self) -> Plan:
        """What `plan` says: of how to train it never changes. Raises JobDamaged."""
        try:
            return kept_plan(self.plan)
        except PlanDamaged as error:
            raise JobDamaged(self.id, ["plan"]) from error


@lru_cache(_MOST_SPECS)
def _spec_of(document: str) -> TrainingSpec:
    """Read and checked once for all jobs that ask the same: of a crowd many do."""
    return TrainingSpec.model_validate(read_document(document))


class Alias(Table):
    """A name for a job, which may be moved to another. A job that has one is not deleted."""

    __tablename__ = "aliases"

    owner: Mapped[str] = mapped_column(default="", server_default="", primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), index=True)
    changed_at: Mapped[datetime]
    """When it was given to this job."""


class Partition(Table):
    """Some rows of a job's data, reduced by whichever process has its lease; see slope.engines.reduction."""

    __tablename__ = "partitions"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    first_row: Mapped[int]
    rows: Mapped[int]
    lease_token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    worker_id: Mapped[UUID | None]
    """Whose process has taken it, or has reduced it."""
    seconds: Mapped[float | None]
    """Spent on it by that process."""
    reduced: Mapped[bytes | None] = mapped_column(deferred=True)
