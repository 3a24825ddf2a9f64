"""Answers about sweeps."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from slope.answers.hyperparameters import Hyperparameters
from slope.answers.jobs import LossView
from slope.answers.view import Page, View, is_missing
from slope.statuses import JobStatus


class RankedView(View):
    """A job in the ranking of its sweep."""

    job_id: UUID
    """Its job."""
    status: JobStatus = Field(examples=["succeeded"])
    """Where it is in its life."""
    settings: Hyperparameters = Field(examples=[{"learning_rate": 0.01}])
    """Its values of the hyperparameters in which the jobs of the sweep differ."""
    epochs_done: int
    """How many epochs are recorded."""
    loss: LossView
    """How well it fits."""


class SweepProgressView(View):
    jobs_ended: int
    """How many have ended."""
    jobs: int
    """How many there are."""
    epochs_done: int
    """Of all jobs together."""
    epochs: int
    """At most: jobs that stop early or fail train fewer."""


class SweepView(View):
    id: UUID
    """By which calls name it."""
    owner: str | None = Field(default=None, exclude_if=is_missing, examples=["alice"])
    """Whose it is, where keys are asked for; left out of what belongs to nobody."""
    name: str | None
    """As its sender calls it."""
    metadata: dict[str, str]
    """As its sender gave it, and every job's."""
    created_at: datetime
    """When it was accepted."""
    hyperparameters: Hyperparameters
    """What the jobs have in common."""
    cross_validation: int | None
    """Into how many folds the rows are dealt, for every job."""
    swept: list[str] = Field(examples=[["l2", "learning_rate"]])
    """Names of the hyperparameters in which they differ."""
    counts: dict[JobStatus, int] = Field(examples=[{"running": 1000, "failed": 24}])
    """How many of the jobs have each status."""
    progress: SweepProgressView
    """How far its jobs are."""


class RankedSweepView(SweepView):
    ranked_by: Literal["loss", "training_loss", "validation_loss", "cross_validation"] = Field(
        examples=["validation_loss"]
    )
    """What orders the ranking: the validation loss, the errors of the cross-validation, the training loss without
    penalties, or with them."""
    ranking: Page[RankedView]
    """From the smallest loss up, without the jobs that have none yet, and those that failed or were cancelled."""
