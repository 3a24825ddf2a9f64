"""A job for people: what it learnt from, how far it is, what came of it, and how well that predicts."""

import math
from typing import TYPE_CHECKING, Any

from service.commands.remote.output import note, print_facts, print_rows, text_of
from slope.spec.names import counted

if TYPE_CHECKING:
    from slope.answers.analysis import Exact
    from slope.answers.jobs import JobView
    from slope.answers.metrics import CrossValidation, JobMetrics, Metrics

_MOST_PARAMETERS = 20


def print_job(job: "JobView") -> None:
    """In tables; its warnings besides."""
    data, progress, loss, exact = job.dataset, job.progress, job.loss, job.analysis.exact if job.analysis else None
    print_facts(
        {
            "job": job.id,
            "name": job.name,
            "owner": job.owner,
            "status": " – ".join(filter(None, (job.status, job.reason, job.error.detail if job.error else None))),
            "data": f"{counted(data.rows, 'row')}, {counted(data.features, 'feature')}, dataset {data.id}",
            "epochs": f"{progress.epochs_done} of {progress.epochs}, by {job.plan.engine}",
            "loss": None if loss.first is None else f"{text_of(loss.first)} → {text_of(loss.last)}",
            "validation loss": loss.validation,
            "exact loss": exact.loss if exact else None,
        }
    )
    if job.weights is not None:
        _print_parameters(job, job.weights, exact)
    if job.metrics is not None:
        _print_metrics(job.metrics)
    for sentence in job.warnings:
        note(sentence)


def _print_parameters(job: "JobView", weights: list[float], exact: "Exact | None") -> None:
    names = [*(job.dataset.columns or ()), "bias"]
    trained = [*weights, job.bias]
    known = [*exact.weights, exact.bias] if exact else [None] * len(trained)
    rows = [row for row in zip(names, trained, known, strict=False) if row[1] is not None]
    print_rows(("parameter", "trained", "exact"), rows[:_MOST_PARAMETERS])
    if len(rows) > _MOST_PARAMETERS:
        note(f"… and {len(rows) - _MOST_PARAMETERS} more: --json has all of them.")


def _print_metrics(metrics: "JobMetrics") -> None:
    kinds = {"training": metrics.training, "validation": metrics.validation, "test": metrics.test}
    rows = [_row(name, kind) for name, kind in kinds.items() if kind is not None]
    folds = metrics.cross_validation
    if folds and folds.per_fold:
        rows.append(_row_of_folds(folds))
    print_rows(("rows of", "rows", "root mean squared error", "mean absolute error", "R²"), rows)
    if metrics.note:
        note(metrics.note)
    if folds:
        note(f"{folds.folds} folds: {folds.note}")


def _row(name: str, metrics: "Metrics") -> tuple[Any, ...]:
    return name, metrics.rows, metrics.root_mean_squared_error, metrics.mean_absolute_error, metrics.r_squared


def _row_of_folds(folds: "CrossValidation") -> tuple[Any, ...]:
    """Each row predicted by what was learnt from the other folds."""
    error = folds.mean_squared_error
    root = None if error is None else math.sqrt(error)
    return f"{folds.folds} folds", sum(fold.rows for fold in folds.per_fold), root, None, folds.r_squared
