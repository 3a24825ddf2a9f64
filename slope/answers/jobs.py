"""Answers about jobs, and about what a job would do."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from slope.answers.analysis import Analysis
from slope.answers.hyperparameters import Hyperparameters
from slope.answers.metrics import JobMetrics
from slope.answers.plan import EngineOption, Plan
from slope.answers.view import View, is_missing
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
    cross_validation: float | None
    """The mean squared error of rows left out, by exact solutions; null where it was not asked for."""


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
    """`diverged`, `out_of_memory`, `worker_lost`, `timeout`, `storage_full`, `no_row_counts`, `damaged` or
    `internal`."""
    detail: str | None
    """What happened, and what to do."""


class TransitionView(View):
    status: JobStatus
    """The new one."""
    at: datetime
    """When it changed."""
    detail: str | None
    """Why, in words."""


class InitialFromView(View):
    """Which job's parameters were copied when the job was accepted. It may be deleted by now."""

    job: UUID
    """Its id."""
    epoch: int
    """The epoch after which they were taken."""
    optimizer_state: bool
    """Whether the optimizer's memory was copied, too."""


class JobView(View):
    id: UUID
    """By which calls name it."""
    owner: str | None = Field(default=None, exclude_if=is_missing, examples=["alice"])
    """Whose it is, where keys are asked for; left out of what belongs to nobody."""
    name: str | None
    """As its sender calls it."""
    status: JobStatus = Field(examples=["succeeded"])
    """Where it is in its life; the last three are final."""
    dataset: SampleView
    """What it learns from."""
    sweep_id: UUID | None
    """The sweep it is a job of."""
    initial_from: InitialFromView | None
    """The job it went on from; the parameters themselves are `initial_weights` and `initial_bias`."""
    hyperparameters: Hyperparameters
    """As they were asked for, with their defaults."""
    predict: list[float] | list[list[float]] | None
    """Null on a page of jobs where there are more than 100 points."""
    device: str
    """The device that was asked for."""
    assigned_device: str | None
    """The device it was trained on."""
    timeout_seconds: float | None
    """It fails when it has not ended this long after it first began to run, pauses left out."""
    cross_validation: int | None
    """Into how many folds the rows trained on are dealt; what came of it is among the metrics."""
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
    """Why a queued or paused job does not run."""
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
