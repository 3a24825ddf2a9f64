"""Answers about sweeps."""

from typing import Any

from service.api.schemas.jobs import shown, view_loss
from service.api.schemas.short import shortened
from service.jobs.sweeps import SweepSummary
from service.store.tables import Job
from slope.answers.sweeps import RankedSweepView, RankedView, SweepProgressView, SweepView
from slope.answers.view import Page
from slope.statuses import FINAL


def view_sweep(summary: SweepSummary) -> SweepView:
    """Without what somebody has damaged of it: who asks for it alone is told so."""
    return shown(summary.sweep, lambda _: SweepView(**_fields(summary)))


def view_sweep_on_a_page(summary: SweepSummary) -> SweepView:
    """Without hyperparameters that are long."""
    view = view_sweep(summary)
    return view.model_copy(update={"hyperparameters": shortened(view.hyperparameters)})


def view_ranked_sweep(summary: SweepSummary, by: str, jobs: list[Job], following: str | None) -> RankedSweepView:
    ranking = [_ranked(job, summary.sweep.swept) for job in jobs]
    return RankedSweepView(**_fields(summary), ranked_by=by, ranking=Page(data=ranking, next=following))


def _ranked(job: Job, swept: list[str]) -> RankedView:
    """Without its settings where somebody has damaged these."""
    spec = job.spec if isinstance(job.spec, dict) else {}
    settings = {name: shortened(spec[name]) for name in swept if name in spec}
    return RankedView(
        job_id=job.id, status=job.status, settings=settings, epochs_done=job.epochs_done, loss=view_loss(job)
    )


def _fields(summary: SweepSummary) -> dict[str, Any]:
    sweep, counts = summary.sweep, summary.counts
    ended, jobs = sum(counts.get(status, 0) for status in FINAL), sum(counts.values())
    return {
        "id": sweep.id,
        "owner": sweep.owner or None,
        "name": sweep.name,
        "metadata": sweep.metadata_,
        "created_at": sweep.created_at,
        "hyperparameters": sweep.spec,
        "cross_validation": sweep.cross_validation,
        "swept": sweep.swept,
        "counts": counts,
        "progress": SweepProgressView(
            jobs_ended=ended, jobs=jobs, epochs_done=summary.epochs_done, epochs=summary.epochs
        ),
    }
