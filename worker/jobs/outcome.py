"""What a job has besides its records: what its worker knows from the start, what came out, and how near that is."""

from contextlib import suppress
from dataclasses import asdict, replace
from threading import Thread
from typing import Any, Self

import numpy as np

from service.data.numbers import analysis_is_late
from service.data.triangles import find_columns
from service.settings import Settings
from service.store.tables import Job
from slope.analysis import (
    Analysis,
    Distance,
    Ending,
    Exact,
    Reached,
    analyse,
    ending_of_triangle,
    few_rows,
    measure_distance,
    rate_per_row,
    rate_warnings,
    reached,
    reached_by,
    shortfall,
    warnings_for,
)
from slope.answers.metrics import CrossValidation, JobMetrics
from slope.arrays import Array
from slope.data import TrainingData, initial_parameters
from slope.engines.reduction.reduced import Reductions
from slope.engines.reduction.reduction import Reduction
from slope.health import Finding
from slope.metrics import (
    WITHOUT_ROWS,
    mean_huber_loss,
    metrics_of_reduced,
    metrics_of_rows,
)
from slope.model import Parameters, predict_singly
from slope.reduced_rows import ReducedRows
from slope.scaling import Scaler
from slope.spec import SGD, TrainingSpec
from slope.spec.data import as_matrix
from slope.spec.job import device_for
from slope.spec.part import infinite_from
from worker.process import Process

_ROWS = ("training", "validation", "test")
"""Of which metrics tell."""


def divergence_remedy(
    spec: TrainingSpec, epoch: int, step: int, data: TrainingData, found: Reductions | None = None
) -> str:
    """What to do about numbers that stopped being finite in this step."""
    targets = data.y if found is None else found.training.y
    if (epoch, step) == (0, 0) and spec.loss == "squared_error" and _has_vast_squares(targets, spec.dtype):
        return f"the squares of the target are beyond the range of {spec.dtype}: divide the target by a power of ten"
    limit = "max_stable_learning_rate" if spec.batch_size == "full" else "max_stable_learning_rate_per_row"
    is_known = spec.loss == "squared_error" and isinstance(spec.optimizer, SGD)
    remedy = f"lower the learning rate{f' below {limit} of the analysis' if is_known else ''}"
    return remedy if spec.standardize else f"{remedy}, or standardize the data"


def _has_vast_squares(targets: Array, dtype: str) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.square(np.abs(targets).max(initial=0.0)) >= infinite_from(dtype))


def timeout_detail(seconds: float | None) -> str:
    """What happened to a job that ran longer than it may, and what to do."""
    return f"The job had not ended after {seconds:g} seconds: raise timeout_seconds, or ask for fewer epochs"


def start_columns(job: Job, data: TrainingData, spec: TrainingSpec) -> dict[str, Any]:
    """Columns that an attempt knows from its start. Of data read in parts, what depends on its scale comes later."""
    if spec.standardize and data.scaler is None:
        return {"assigned_device": device_for(job.device)}
    start = Parameters(*initial_parameters(data.x.shape[1], spec, data.scaler))
    return {
        "assigned_device": device_for(job.device),
        "scaler": data.scaler.document if data.scaler else None,
        "predictions_before": _predict(job, start, data, spec),
    }


def result_columns(
    job: Job,
    trained: Parameters,
    data: TrainingData,
    spec: TrainingSpec,
    found: Reductions | None = None,
    distance: Distance | None = None,
    validated: CrossValidation | None = None,
) -> dict[str, Any]:
    """Columns of a job that has succeeded. Without rows its data is what stands for them."""
    measured = _measured(trained, data, found)
    told = _with_cross_validation(measured, validated)
    return {
        "weights": trained.weights,
        "bias": trained.bias,
        "predictions_after": _predict(job, trained, data, spec),
        "analysis": _analysis_of(job, trained, data, spec, None if found is None else found.training, distance),
        "metrics": None if told is None else _document_of(told),
        "loss_training": _bare_loss(trained, data, spec, measured),
        "loss_cross_validation": None if validated is None else validated.mean_squared_error,
    }


def _document_of(told: JobMetrics) -> dict[str, Any]:
    """As JSON has it; not copied, for none of it changes."""
    rows_of_each = {name: found and vars(found) for name, found in vars(told).items() if name in _ROWS}
    validated = told.cross_validation
    return vars(told) | rows_of_each | {"cross_validation": None if validated is None else asdict(validated)}


def _with_cross_validation(measured: JobMetrics | None, validated: CrossValidation | None) -> JobMetrics | None:
    if validated is None:
        return measured
    return replace(measured or JobMetrics(None, None, None), cross_validation=validated)


def _measured(trained: Parameters, data: TrainingData, found: Reductions | None) -> JobMetrics | None:
    """None of data that is read in parts, where all epochs were done before this attempt."""
    weights = np.array(trained.weights)
    if found is not None:
        reduced = [
            metrics_of_reduced(part, weights, trained.bias) for part in (found.training, found.validation, found.test)
        ]
        return JobMetrics(reduced[0], reduced[1], reduced[2], WITHOUT_ROWS)
    if len(data.y) == 0:
        return None
    return JobMetrics(
        metrics_of_rows(data.x, data.y, weights, trained.bias, data.weights),
        metrics_of_rows(data.validation_x, data.validation_y, weights, trained.bias, data.validation_weights),
        metrics_of_rows(data.test_x, data.test_y, weights, trained.bias, data.test_weights),
    )


def _bare_loss(
    trained: Parameters, data: TrainingData, spec: TrainingSpec, measured: JobMetrics | None
) -> float | None:
    """The loss of all rows trained on, without penalties."""
    if measured is None or measured.training is None:
        return None
    match spec.loss:
        case "squared_error":
            return measured.training.mean_squared_error
        case "absolute_error":
            return measured.training.mean_absolute_error
        case _:
            weights = np.array(trained.weights)
            return mean_huber_loss(data.x, data.y, weights, trained.bias, spec.huber_delta, data.weights)


def distance_of(
    trained: Parameters, rows: ReducedRows | None, scaler: Scaler | None, spec: TrainingSpec
) -> Distance | None:
    """Of a run's end; None where nothing stands for the rows, or nothing measures it."""
    learned = np.array(trained.weights), trained.bias
    return measure_distance(rows, spec, scaler, learned) if rows is not None else None


def rows_that_measure(
    process: Process, job: Job, data: TrainingData, spec: TrainingSpec, reductions: Reductions | None
) -> ReducedRows | None:
    """What stands for a job's rows: what they were reduced to, a few rows, or the triangle of their dataset."""
    if reductions is not None:
        return reductions.training
    if (few := few_rows(data)) or job.dataset.is_inline or job.row_weights or spec.holds_back:
        return few
    with process.database.reading() as session:
        columns = find_columns(session, job)
    return columns.prepared(spec)[0] if columns else None


def ending_findings(ending: Ending | None, spec: TrainingSpec) -> list[Finding]:
    """A warning where a run ended far from the minimum."""
    detail = ending and shortfall(spec, ending)
    return [Finding("far_from_minimum", "warning", detail)] if detail else []


def ending_from_analysis(analysis: dict[str, Any] | None, spec: TrainingSpec) -> Ending | None:
    """From the analysis of a job that has succeeded, as SQL has it."""
    if not (analysis and analysis["exact"] and analysis["reached"]):
        return None
    return Ending.of(spec, _analysis(analysis))


def with_rate_per_row(
    known: dict[str, Any] | None, data: TrainingData, spec: TrainingSpec
) -> tuple[dict[str, Any], list[Finding]] | None:
    """An analysis with what only the rows tell of it, and the warning that follows; None where it lacks nothing.

    A submission leaves the rows of a large dataset unread.
    """
    if known is None or known["max_stable_learning_rate_per_row"] is not None or spec.batch_size != 1:
        return None
    if (rate := rate_per_row(data, spec)) is None:
        return None
    document = known | {"max_stable_learning_rate_per_row": rate}
    return document, [Finding("analysis", "warning", each) for each in rate_warnings(spec, _analysis(document))]


def _analysis(document: dict[str, Any]) -> Analysis:
    exact, came = document["exact"], document["reached"]
    return Analysis(**document | {"exact": exact and Exact(**exact), "reached": came and Reached(**came)})


def ending_from_reduction(
    found: Reduction,
    scaler: Scaler | None,
    trained: Parameters,
    spec: TrainingSpec,
    distance: Distance | None,
) -> Ending | None:
    """Of data that was read in parts."""
    weights, bias = initial_parameters(found.features, spec, scaler)
    start, learned = (np.array(weights), bias), (np.array(trained.weights), trained.bias)
    ending = ending_of_triangle(found.triangle, found.rows, spec, start, learned)
    return ending and replace(ending, distance=distance)


def _predict(job: Job, parameters: Parameters, data: TrainingData, spec: TrainingSpec) -> list[float]:
    points = as_matrix(job.predict)
    return predict_singly(parameters, points, spec, data.scaler) if points else []


def _analysis_of(
    job: Job,
    trained: Parameters,
    data: TrainingData,
    spec: TrainingSpec,
    reduction: Reduction | None,
    distance: Distance | None,
) -> dict[str, Any] | None:
    """What was known at submission, and how far the run came."""
    known = job.analysis
    if known is None or (reduction is None and len(data.y) == 0):
        return known  # of data that is read in parts, where all epochs were done before this attempt
    exact, weights = known["exact"] and known["exact"]["loss"], np.array(trained.weights)
    if reduction is not None:
        came = reached_by(reduction, spec, weights, trained.bias, exact)
    else:
        came = reached(data, spec, weights, trained.bias, exact)
    if distance:
        came = replace(came, distance=distance.errors, epochs_to_go=distance.epochs)
    return known | {"reached": vars(came)}


class LateAnalysis:
    """The analysis that would have kept the client waiting: it is made while the job trains.

    It works in a thread of its own, most of the time in LAPACK, which lets others work.
    """

    def __init__(self, data: TrainingData, spec: TrainingSpec) -> None:
        self._data = data
        self._spec = spec
        self._found: Analysis | None = None
        self._thread = Thread(target=self._analyse, name="analysis", daemon=True)
        self._thread.start()

    @classmethod
    def of(cls, job: Job, data: TrainingData, spec: TrainingSpec, settings: Settings) -> Self | None:
        """None where the job has its analysis, is one of a sweep, or has too much data for it."""
        is_late = len(data.y) > 0 and analysis_is_late(job.dataset.rows, len(job.features), settings)
        return cls(data, spec) if is_late and job.analysis is None and job.sweep_id is None else None

    def wait(self, seconds: float) -> bool:
        """Wait at most this long. Whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def document(self) -> dict[str, Any] | None:
        """As the job has it. None where there is none."""
        return asdict(self._found) if self._found else None

    @property
    def findings(self) -> list[Finding]:
        """The warnings that the job would have had when it was submitted."""
        return [Finding("analysis", "warning", each) for each in warnings_for(self._spec, self._found)]

    def _analyse(self) -> None:
        with suppress(MemoryError):  # the training may have enough, and needs no analysis
            self._found = analyse(self._data, self._spec)
