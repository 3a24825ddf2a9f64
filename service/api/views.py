"""What the API answers: one class per resource, made from rows. Numbers that are not finite become null."""

from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.jobs import Draft
from service.predictions import Prediction, scaler_of
from service.store.tables import Epoch, Event, Job, Step, Worker
from slope.analysis import Analysis
from slope.engines.plan import Plan

Item = TypeVar("Item")


class View(BaseModel):
    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True, frozen=True)


class Page(View, Generic[Item]):
    data: list[Item]
    next: str | None = None
    """Where the next page goes on; null on the last."""


class ParametersView(View):
    """Numbers in the shape of the model. A gradient is null where a parameter does not learn."""

    weights: list[float] | None
    bias: float | None


class DatasetView(View):
    id: UUID
    rows: int
    features: int


class ProgressView(View):
    epochs_done: int
    epochs: int
    fraction: float
    epochs_per_second: float | None
    eta_seconds: float | None

    @classmethod
    def of(cls, job: Job) -> "ProgressView":
        rate = job.epochs_done / job.seconds if job.seconds > 0 else None
        left = 0 if job.status == "succeeded" else job.epochs - job.epochs_done
        return cls(
            epochs_done=job.epochs_done,
            epochs=job.epochs,
            fraction=1.0 if job.status == "succeeded" else job.epochs_done / job.epochs,
            epochs_per_second=rate,
            eta_seconds=left / rate if rate and job.status == "running" else None,
        )


class LossView(View):
    first: float | None
    last: float | None
    best: float | None
    validation: float | None


class ScaledView(View):
    """The model as it was trained, on x_scaled = (x − means) / deviations."""

    weights: list[float] | None
    bias: float | None
    means: list[float]
    deviations: list[float]


class DraftView(View):
    """What a job would do, and what is known about its data, before anything is queued."""

    plan: Plan
    analysis: Analysis | None
    warnings: list[str]

    @classmethod
    def of(cls, draft: Draft) -> "DraftView":
        return cls(plan=draft.plan, analysis=draft.analysis, warnings=draft.warnings)


class ErrorView(View):
    code: str
    """`diverged`, `out_of_memory`, `worker_lost`, `timeout` or `invalid`."""
    detail: str | None


class TransitionView(View):
    status: str
    at: datetime
    detail: str | None


class JobView(View):
    id: UUID
    name: str | None
    status: str = Field(examples=["succeeded"])
    """`queued`, `running`, `succeeded`, `failed` or `cancelled`."""
    dataset: DatasetView
    hyperparameters: dict[str, Any]
    predict: list[float] | list[list[float]]
    device: str
    """The device that was asked for."""
    assigned_device: str | None
    """The device it was trained on."""
    timeout_seconds: float | None
    metadata: dict[str, str]
    progress: ProgressView
    loss: LossView
    weights: list[float] | None
    """Of the data in its own units, also when it is standardized for training."""
    bias: float | None
    scaled: ScaledView | None
    plan: Plan
    analysis: Analysis | None
    attempt: int
    error: ErrorView | None
    reason: str | None
    """Why a queued job waits."""
    warnings: list[str]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    transitions: list[TransitionView]

    @classmethod
    def of(cls, job: Job, reason: str | None = None) -> "JobView":
        own = _in_own_units(job)
        return cls(
            id=job.id,
            name=job.name,
            status=job.status,
            dataset=DatasetView.model_validate(job.dataset),
            hyperparameters=job.spec,
            predict=job.predict,
            device=job.device,
            assigned_device=job.assigned_device,
            timeout_seconds=job.timeout_seconds,
            metadata=job.labels,
            progress=ProgressView.of(job),
            loss=LossView(first=job.loss_first, last=job.loss_last, best=job.loss_best, validation=job.loss_validation),
            weights=own.weights,
            bias=own.bias,
            scaled=ScaledView(weights=job.weights, bias=job.bias, **job.scaler) if job.scaler else None,
            plan=Plan(**job.plan),
            analysis=job.analysis,
            attempt=job.attempt,
            error=ErrorView(code=job.error_code, detail=job.error_detail) if job.error_code else None,
            reason=reason,
            warnings=[event.detail or "" for event in job.events if event.level == "warning"],
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            transitions=[
                TransitionView(status=event.status or "", at=event.at, detail=event.detail)
                for event in job.events
                if event.kind == "status"
            ],
        )


class EpochView(View):
    epoch: int
    loss: float
    """Mean of the step losses, each taken before its update."""
    last_loss: float
    """Loss of the last step."""
    validation_loss: float | None
    gradient_mean: ParametersView
    gradient_last: ParametersView
    gradient_norm: float
    weights: list[float]
    """After the epoch."""
    bias: float | None
    learning_rate: float
    seconds: float

    @classmethod
    def of(cls, row: Epoch) -> "EpochView":
        return cls(
            epoch=row.epoch,
            loss=row.loss,
            last_loss=row.last_loss,
            validation_loss=row.validation_loss,
            gradient_mean=ParametersView(weights=row.gradient_mean_weights, bias=row.gradient_mean_bias),
            gradient_last=ParametersView(weights=row.gradient_last_weights, bias=row.gradient_last_bias),
            gradient_norm=row.gradient_norm,
            weights=row.weights,
            bias=row.bias,
            learning_rate=row.learning_rate,
            seconds=row.seconds,
        )


class StepView(View):
    epoch: int
    step: int
    rows: list[int]
    """Indices in the dataset of the rows of this step's batch."""
    loss: float
    gradient: ParametersView
    weights: list[float]
    """Before the update."""
    bias: float | None

    @classmethod
    def of(cls, row: Step, rows: list[int]) -> "StepView":
        return cls(
            epoch=row.epoch,
            step=row.step,
            rows=rows,
            loss=row.loss,
            gradient=ParametersView(weights=row.gradient_weights, bias=row.gradient_bias),
            weights=row.weights,
            bias=row.bias,
        )


class PredictionView(View):
    x: list[float]
    before: float | None
    after: float | None

    @classmethod
    def of(cls, prediction: Prediction) -> "PredictionView":
        return cls.model_validate(prediction)


class EventView(View):
    seq: int
    kind: str = Field(examples=["status"])
    level: str
    """`info`, `warning` or `error`."""
    code: str | None
    """What kind of warning, for programs."""
    at: datetime
    epochs_done: int
    """How many epochs the job had behind it."""
    status: str | None
    detail: str | None

    @classmethod
    def of(cls, row: Event) -> "EventView":
        return cls.model_validate(row)


class DeviceView(View):
    name: str
    description: str


class WorkerView(View):
    id: UUID
    hostname: str
    process_id: int
    version: str
    alive: bool
    devices: list[DeviceView]
    slots: int
    """Jobs it trains at once."""
    started_at: datetime
    seen_at: datetime
    stopped_at: datetime | None

    @classmethod
    def of(cls, row: Worker, *, alive: bool) -> "WorkerView":
        return cls(
            id=row.id,
            hostname=row.hostname,
            process_id=row.process_id,
            version=row.version,
            alive=alive,
            devices=[DeviceView(**device) for device in row.devices],
            slots=row.slots,
            started_at=row.started_at,
            seen_at=row.seen_at,
            stopped_at=row.stopped_at,
        )


class FaultView(View):
    detail: str
    pointer: str
    """JSON Pointer to the value that is wrong."""


class ProblemView(View):
    """RFC 9457 problem details."""

    type: str = Field(examples=["/problems/invalid-request"])
    title: str
    status: int
    detail: str
    errors: list[FaultView] = []


def _in_own_units(job: Job) -> ParametersView:
    scaler = scaler_of(job)
    if scaler is None or job.weights is None:
        return ParametersView(weights=job.weights, bias=job.bias)
    weights, bias = scaler.in_own_units(np.array(job.weights), job.bias)
    return ParametersView(weights=weights.tolist(), bias=bias)
