"""Answers about jobs, and about what a job would do."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from pydantic import Field

from service.api.schemas.hyperparameters import Hyperparameters
from service.api.schemas.records import ParametersView
from service.api.schemas.view import LONG, View, shortened
from service.jobs.drafts import Draft
from service.jobs.many import Changes
from service.store.tables import Job
from slope.analysis import Analysis
from slope.data import Scaler
from slope.engines.plan import EngineOption, Plan
from slope.metrics import JobMetrics
from slope.statuses import JobStatus


class SampleView(View):
    """What a job learns from."""

    id: UUID
    """Of the dataset; rows that came with the request are one, too."""
    rows: int
    """How many."""
    features: int
    """How many."""
    columns: list[str] | None
    """Their names; null on a page of jobs where there are more than 100."""
    target: str
    """Name of the column that is y."""
    weights: str | None
    """Name of the column that says how much each row counts; null where they count alike."""

    @classmethod
    def of(cls, job: Job) -> "SampleView":
        return cls(
            id=job.dataset_id,
            rows=job.dataset.rows,
            features=len(job.features),
            columns=job.features,
            target=job.target,
            weights=job.row_weights,
        )


class ProgressView(View):
    epochs_done: int
    """How many epochs are recorded."""
    epochs: int
    """At most."""
    fraction: float
    """Between 0 and 1."""
    epochs_per_second: float | None
    """So far."""
    eta_seconds: float | None
    """Until the end, while it runs."""
    partitions_done: int | None
    """Of the plan's partitions, in which the data is reduced before the first epoch; null where it is not."""

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
            partitions_done=job.partitions_done,
        )


class LossView(View):
    first: float | None
    """Of the first epoch."""
    last: float | None
    """Of the last epoch so far."""
    best: float | None
    """The least so far."""
    validation: float | None
    """Of the last epoch, on the rows that were held back."""
    training: float | None
    """Of all rows trained on, after the last update and without penalties; null until the job has succeeded."""

    @classmethod
    def of(cls, job: Job) -> "LossView":
        return cls(
            first=job.loss_first,
            last=job.loss_last,
            best=job.loss_best,
            validation=job.loss_validation,
            training=job.loss_training,
        )


class ScaledView(View):
    """The model as it was trained, on x_scaled = (x − means) / deviations."""

    weights: list[float] | None
    """Of x_scaled."""
    bias: float | None
    """Of x_scaled."""
    means: list[float]
    """Of the columns of x."""
    deviations: list[float]
    """Of the columns of x."""
    target_mean: float = 0.0
    """What was taken off y, and is added to what the model predicts: 0 unless float32 would have rounded y away."""


class ErrorView(View):
    code: str
    """`diverged`, `out_of_memory`, `worker_lost`, `timeout`, `storage_full`, `no_row_counts` or `internal`."""
    detail: str | None
    """What happened, and what to do."""


class TransitionView(View):
    status: JobStatus
    """The new one."""
    at: datetime
    """When it changed."""
    detail: str | None
    """Why, in words."""


class JobView(View):
    id: UUID
    """By which calls name it."""
    name: str | None
    """As its sender calls it."""
    status: JobStatus = Field(examples=["succeeded"])
    """Where it is in its life; the last three are final."""
    dataset: SampleView
    """What it learns from."""
    sweep_id: UUID | None
    """The sweep it is a job of."""
    hyperparameters: Hyperparameters
    """As they were asked for, with their defaults."""
    predict: list[float] | list[list[float]] | None
    """Null on a page of jobs where there are more than 100 points."""
    device: str
    """The device that was asked for."""
    assigned_device: str | None
    """The device it was trained on."""
    timeout_seconds: float | None
    """It fails when it has not ended this long after it first began to run."""
    metadata: dict[str, str]
    """As its sender gave it."""
    progress: ProgressView
    """How far it is."""
    loss: LossView
    """How well it fits."""
    metrics: JobMetrics | None
    """How well the model predicts the rows of each kind, without penalties; null until the job has succeeded."""
    weights: list[float] | None
    """Of the data in its own units, also when it is standardized for training."""
    bias: float | None
    """Null where there is none, and before the first epoch."""
    scaled: ScaledView | None
    """Where the data is standardized for training."""
    plan: Plan
    """How it is trained, and why so."""
    analysis: Analysis | None
    """What is known of the data before any step, and of the run when it has succeeded."""
    attempt: int
    """How many times a worker has taken it."""
    stopped_early: bool
    """Whether early stopping ended it before its last epoch."""
    error: ErrorView | None
    """Of a job that failed."""
    reason: str | None
    """Why a queued job waits."""
    warnings: list[str]
    """Sentences: what is peculiar, and what to do."""
    created_at: datetime
    """When it was accepted."""
    started_at: datetime | None
    """When a worker first took it."""
    finished_at: datetime | None
    """When it ended."""
    transitions: list[TransitionView]
    """All changes of its status."""

    @classmethod
    def of(cls, job: Job, reason: str | None = None) -> "JobView":
        own = _in_own_units(job)
        return cls(
            id=job.id,
            name=job.name,
            status=job.status,
            dataset=SampleView.of(job),
            sweep_id=job.sweep_id,
            hyperparameters=job.spec,
            predict=job.predict,
            device=job.device,
            assigned_device=job.assigned_device,
            timeout_seconds=job.timeout_seconds,
            metadata=job.metadata_,
            progress=ProgressView.of(job),
            loss=LossView.of(job),
            metrics=job.metrics,
            weights=own.weights,
            bias=own.bias,
            scaled=ScaledView(weights=job.weights, bias=job.bias, **job.scaler) if job.scaler else None,
            plan=replace(job.planned, actual_seconds=job.seconds if job.epochs_done else None),
            analysis=job.analysis,
            attempt=job.attempt,
            stopped_early=job.status == "succeeded" and job.epochs_done < job.epochs,
            error=ErrorView(code=job.error_code, detail=job.error_detail) if job.error_code else None,
            reason=reason,
            warnings=_warnings(job),
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            transitions=[
                TransitionView(status=event.status, at=event.at, detail=event.detail)
                for event in job.events
                if event.kind == "status"
            ],
        )

    @classmethod
    def on_a_page(cls, job: Job, reason: str | None = None) -> "JobView":
        """Without what is long: a page of wide jobs would have hundreds of megabytes."""
        view = cls.of(job, reason)
        left_out: dict[str, Any] = {"hyperparameters": shortened(job.spec), "predict": shortened(job.predict)}
        if len(job.features) > LONG:
            vectors = ("weights", "scaled", "analysis")
            left_out |= dict.fromkeys(vectors) | {"dataset": view.dataset.model_copy(update={"columns": None})}
        return view.model_copy(update=left_out)


class DraftView(View):
    """What a job would do, and what is known about its data, before anything is queued."""

    plan: Plan
    candidates: list[EngineOption]
    """All engines, with what they would cost or what stands in their way."""
    analysis: Analysis | None
    """What is known of the data before any step."""
    analysis_follows: bool
    """Whether the analysis takes so long that it is left to the worker."""
    warnings: list[str]
    """Sentences: what is peculiar, and what to do."""

    @classmethod
    def of(cls, draft: Draft) -> "DraftView":
        return cls.model_validate(draft)


class ChangesView(View):
    """Which of the jobs that a request named by filters were changed."""

    matched: int
    """How many jobs of the filters can be changed so."""
    jobs: list[UUID]
    """Those that were changed, or would be, oldest first."""
    remaining: int
    """How many are left: ask again, until there are none."""
    dry_run: bool
    """Whether nothing was changed."""

    @classmethod
    def of(cls, changes: Changes, *, dry_run: bool) -> "ChangesView":
        changed = changes.job_ids
        return cls(matched=changes.matched, jobs=changed, remaining=changes.matched - len(changed), dry_run=dry_run)


def _warnings(job: Job) -> list[str]:
    """Those that the run's end has not taken back."""
    has_fallen = any(event.code == "loss_fell_again" for event in job.events)
    warned = [event for event in job.events if event.level == "warning"]
    return [event.detail or "" for event in warned if not (has_fallen and event.code == "loss_growing")]


def _in_own_units(job: Job) -> ParametersView:
    if not job.scaler or job.weights is None:
        return ParametersView(weights=job.weights, bias=job.bias)
    weights, bias = Scaler.of(job.scaler).in_own_units(np.array(job.weights), job.bias)
    return ParametersView(weights=weights.tolist(), bias=bias)
