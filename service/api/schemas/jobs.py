"""Answers about jobs, and about what a job would do."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from service.api.schemas.short import LONG, shortened
from service.data.checks import UNREADABLE
from service.data.damage import hide_damage
from service.errors import Damaged
from service.jobs.drafts import Draft
from service.jobs.many import Changes
from service.store.jobs.jobs import Progress
from service.store.tables import Dataset, Job, Sweep
from slope.answers.jobs import (
    ChangesView,
    DraftView,
    ErrorView,
    JobView,
    LossView,
    ProgressView,
    SampleView,
    ScaledView,
    TransitionView,
)
from slope.answers.plan import Plan
from slope.answers.records import ParametersView
from slope.scaling import Scaler

Answer = TypeVar("Answer")


def shown(row: Job | Dataset | Sweep, view: Callable[[Damaged | None], Answer]) -> Answer:
    """A view of a row; where somebody has damaged documents of it, of the others, and told of the damage."""
    try:
        return view(None)
    except (Damaged, *UNREADABLE):
        if not (damage := hide_damage(row)):
            raise
        return view(damage)


def view_job(job: Job, reason: str | None = None) -> JobView:
    """Without what somebody has damaged of it: then its warnings say so."""
    return shown(job, partial(_view, job, reason))


def _no_plan(why: str) -> Plan:
    return Plan(engine="unknown", why=why, steps=0, steps_recorded=False, recorded_numbers=0, estimated_seconds=0.0)


def _view(job: Job, reason: str | None, damage: Damaged | None) -> JobView:
    own = _in_own_units(job)
    plan = _no_plan(damage.detail) if damage and "plan" in damage.what else job.planned
    return JobView(
        id=job.id,
        owner=job.owner or None,
        name=job.name,
        status=job.status,
        dataset=_sample(job),
        sweep_id=job.sweep_id,
        initial_from=job.initial_from,
        hyperparameters=job.spec,
        predict=job.predict,
        device=job.device,
        assigned_device=job.assigned_device,
        timeout_seconds=job.timeout_seconds,
        cross_validation=job.cross_validation,
        metadata=job.metadata_,
        progress=view_progress(job),
        loss=view_loss(job),
        metrics=job.metrics,
        weights=own.weights,
        bias=own.bias,
        scaled=ScaledView(weights=job.weights, bias=job.bias, **job.scaler) if job.scaler else None,
        plan=replace(plan, actual_seconds=job.seconds if job.epochs_done else None),
        analysis=job.analysis,
        attempt=job.attempt,
        stopped_early=job.status == "succeeded" and job.epochs_done < job.epochs,
        error=ErrorView(code=job.error_code, detail=job.error_detail) if job.error_code else None,
        reason=reason,
        warnings=[*_warnings(job), *([damage.detail] if damage else [])],
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        transitions=[
            TransitionView(status=event.status, at=event.at, detail=event.detail)
            for event in job.events
            if event.kind == "status"
        ],
    )


def view_job_on_a_page(job: Job, reason: str | None = None) -> JobView:
    """Without what is long: a page of wide jobs would have hundreds of megabytes."""
    view = view_job(job, reason)
    left_out: dict[str, Any] = {"hyperparameters": shortened(view.hyperparameters), "predict": shortened(view.predict)}
    if len(job.features) > LONG:
        vectors = ("weights", "scaled", "analysis")
        left_out |= dict.fromkeys(vectors) | {"dataset": view.dataset.model_copy(update={"columns": None})}
    return view.model_copy(update=left_out)


def view_loss(job: Job) -> LossView:
    return LossView(
        first=job.loss_first,
        last=job.loss_last,
        best=job.loss_best,
        validation=job.loss_validation,
        training=job.loss_training,
        cross_validation=job.loss_cross_validation,
    )


def view_draft(draft: Draft) -> DraftView:
    return DraftView.model_validate(draft)


def view_changes(changes: Changes, *, dry_run: bool) -> ChangesView:
    changed = changes.job_ids
    return ChangesView(matched=changes.matched, jobs=changed, remaining=changes.matched - len(changed), dry_run=dry_run)


def _sample(job: Job) -> SampleView:
    return SampleView(
        id=job.dataset_id,
        rows=job.dataset.rows,
        features=len(job.features),
        columns=job.features,
        target=job.target,
        weights=job.row_weights,
    )


def view_progress(job: Job | Progress) -> ProgressView:
    rate = job.epochs_done / job.seconds if job.seconds > 0 else None
    left = 0 if job.status == "succeeded" else job.epochs - job.epochs_done
    return ProgressView(
        epochs_done=job.epochs_done,
        epochs=job.epochs,
        fraction=1.0 if job.status == "succeeded" else job.epochs_done / job.epochs,
        epochs_per_second=rate,
        eta_seconds=left / rate if rate and job.status == "running" else None,
        partitions_done=job.partitions_done,
    )


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
