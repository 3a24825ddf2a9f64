"""Answers about sweeps."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from service.api.schemas.hyperparameters import Hyperparameters
from service.api.schemas.jobs import LossView
from service.api.schemas.view import Page, View, shortened
from service.jobs.sweeps import SweepSummary
from service.store.tables import Job
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

    @classmethod
    def of(cls, job: Job, swept: list[str]) -> "RankedView":
        settings = {name: shortened(job.spec[name]) for name in swept}
        return cls(
            job_id=job.id, status=job.status, settings=settings, epochs_done=job.epochs_done, loss=LossView.of(job)
        )


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
    name: str | None
    """As its sender calls it."""
    metadata: dict[str, str]
    """As its sender gave it, and every job's."""
    created_at: datetime
    """When it was accepted."""
    hyperparameters: Hyperparameters
    """What the jobs have in common."""
    swept: list[str] = Field(examples=[["l2", "learning_rate"]])
    """Names of the hyperparameters in which they differ."""
    counts: dict[JobStatus, int] = Field(examples=[{"running": 1000, "failed": 24}])
    """How many of the jobs have each status."""
    progress: SweepProgressView
    """How far its jobs are."""

    @classmethod
    def of(cls, summary: SweepSummary) -> "SweepView":
        return cls(**_fields(summary))

    @classmethod
    def on_a_page(cls, summary: SweepSummary) -> "SweepView":
        """Without hyperparameters that are long."""
        view = cls.of(summary)
        return view.model_copy(update={"hyperparameters": shortened(view.hyperparameters)})


class RankedSweepView(SweepView):
    ranked_by: Literal["loss", "training_loss", "validation_loss"] = Field(examples=["validation_loss"])
    """Which loss orders the ranking: the validation loss, the training loss without penalties, or with them."""
    ranking: Page[RankedView]
    """From the smallest loss up, without the jobs that have none yet, and those that failed or were cancelled."""

    @classmethod
    def ranked(cls, summary: SweepSummary, by: str, jobs: list[Job], following: str | None) -> "RankedSweepView":
        ranking = [RankedView.of(job, summary.sweep.swept) for job in jobs]
        return cls(**_fields(summary), ranked_by=by, ranking=Page(data=ranking, next=following))


def _fields(summary: SweepSummary) -> dict[str, Any]:
    sweep, counts = summary.sweep, summary.counts
    waiting = counts.get("queued", 0) + counts.get("running", 0)
    jobs = sum(counts.values())
    return {
        "id": sweep.id,
        "name": sweep.name,
        "metadata": sweep.metadata_,
        "created_at": sweep.created_at,
        "hyperparameters": sweep.spec,
        "swept": sweep.swept,
        "counts": counts,
        "progress": SweepProgressView(
            jobs_ended=jobs - waiting, jobs=jobs, epochs_done=summary.epochs_done, epochs=summary.epochs
        ),
    }
