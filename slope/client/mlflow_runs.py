"""Jobs as runs of an MLflow tracking server: parameters, every epoch's metrics, and the model. Needs mlflow-skinny."""

import importlib.util
import json
import posixpath
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

from slope.answers.jobs import JobView
from slope.answers.metrics import CrossValidation, Metrics
from slope.client.problem import Json
from slope.extras import how_to_add
from slope.statuses import FINAL

if TYPE_CHECKING:
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

Item = TypeVar("Item")

EXPERIMENT = "slope"
METRICS = ("loss", "last_loss", "validation_loss", "gradient_norm", "learning_rate")
"""Of every epoch."""
_MOST_METRICS, _MOST_OTHERS = 1000, 100
"""In one call: MLflow takes no more."""
_LONGEST = 6000
"""Characters of a parameter's value, of which MLflow takes no more."""
_PASSWORDS = re.compile(r"//[^/\s]*@")
"""What stands before the host of an address."""
_STATUSES = {"succeeded": "FINISHED", "failed": "FAILED", "cancelled": "KILLED"}


class Source(Protocol):
    """What is asked of a client."""

    def job(self, job_id: str | UUID) -> JobView: ...
    def save_epochs(self, job_id: str | UUID, file: Path | str) -> None: ...


class TrackingFailed(RuntimeError):
    """The tracking server does not answer, or refuses what it is sent."""


def export_run(client: Source, job_id: str | UUID, tracking_uri: str, *, experiment: str = EXPERIMENT) -> str:
    """Write a job that has ended to a tracking server, as a new run of an experiment. Gives the run's id.

    Raises ValueError where it has not ended, TrackingFailed, and ModuleNotFoundError without MLflow's libraries.
    """
    job = client.job(job_id)
    if job.status not in FINAL:
        raise ValueError(f"The job is {job.status}: it can be exported when it has ended")
    _need_libraries()
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        with redirect_stdout(sys.stderr):  # MLflow tells there where the run is to be seen
            return _export(MlflowClient(tracking_uri), job, experiment, client)
    except MlflowException as error:
        told = f"MLflow at {tracking_uri} does not answer, or refuses: {error.message}"
        raise TrackingFailed(_PASSWORDS.sub("//", told)) from error


def _export(tracking: "MlflowClient", job: JobView, experiment: str, client: Source) -> str:
    run_id = _begin(tracking, job, experiment)
    try:
        _log(tracking, run_id, job, client)
    except BaseException:
        tracking.set_terminated(run_id, "FAILED")  # half a run does not look like a whole one
        raise
    tracking.set_terminated(run_id, _STATUSES[job.status], _milliseconds(job.finished_at))
    return run_id


def _need_libraries() -> None:
    for name in ("mlflow", "pandas", "sklearn", "skops"):
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f"There is no {name} here, for MLflow: {how_to_add('mlflow')}", name=name)


def _begin(tracking: "MlflowClient", job: JobView, name: str) -> str:
    found = tracking.get_experiment_by_name(name)
    experiment_id = tracking.create_experiment(name) if found is None else found.experiment_id
    began = _milliseconds(job.started_at or job.created_at)
    run_id: str = tracking.create_run(experiment_id, began, run_name=job.name or f"job {job.id}").info.run_id
    return run_id


def _log(tracking: "MlflowClient", run_id: str, job: JobView, client: Source) -> None:
    for params in _batches(_params(job), _MOST_OTHERS):
        tracking.log_batch(run_id, params=params)
    tracking.log_batch(run_id, tags=list(_tags(job)))
    with tempfile.TemporaryDirectory() as folder:
        for metrics in _batches(_metrics(job, client, Path(folder)), _MOST_METRICS):
            tracking.log_batch(run_id, metrics=metrics)
        if job.status == "succeeded":
            _save_model(job, Path(folder) / "model")
            tracking.log_artifacts(run_id, str(Path(folder) / "model"), "model")


def _params(job: JobView) -> "Iterator[Param]":
    from mlflow.entities import Param

    dataset = job.dataset
    data = {"id": str(dataset.id), "rows": dataset.rows, "features": dataset.features, "target": dataset.target}
    document = {**job.model_dump(mode="json")["hyperparameters"], "dataset": data, "engine_taken": job.plan.engine}
    for name, value in _flat(document):
        yield Param(name, value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…")


def _flat(document: Json, before: str = "") -> Iterator[tuple[str, str]]:
    """Names with points in them, and values as JSON has them; texts as they are."""
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value if isinstance(value, str) else json.dumps(value)


def _tags(job: JobView) -> "Iterator[RunTag]":
    from mlflow.entities import RunTag

    own = {"slope.job_id": str(job.id), "slope.status": job.status, "slope.sweep_id": job.sweep_id}
    said = {"slope.error": job.error and f"{job.error.code}: {job.error.detail}", "mlflow.source.name": "slope"}
    for name, value in {**job.metadata, **own, **said}.items():
        if value is not None:
            yield RunTag(_tag_name(name), str(value))


def _tag_name(name: str) -> str:
    """Of the characters that MLflow has in names, and, as some of its stores have files of these names, no path to
    another place."""
    known = "".join(each if each.isalnum() or each in "_-. /:" else "_" for each in name)
    if posixpath.normpath(known) == known and known[0] not in "./":
        return known
    return re.sub(r"^\.", "_", known.replace("/", "_"))


def _metrics(job: JobView, client: Source, folder: Path) -> "Iterator[Metric]":
    """Every epoch's, at the moment when it ended, and those of the model at the end."""
    from mlflow.entities import Metric

    file = folder / "epochs.ndjson"
    client.save_epochs(str(job.id), file)
    moment = (job.started_at or job.created_at).timestamp()
    last = 0
    with file.open() as lines:
        for line in lines:
            epoch = json.loads(line)
            moment, last = moment + epoch["seconds"], epoch["epoch"]
            for name in METRICS:
                if epoch[name] is not None:
                    yield Metric(name, epoch[name], int(1000 * moment), last)
    for measured in ("training", "validation", "test", "cross_validation"):
        for name, value in _numbers(getattr(job.metrics, measured, None)):
            yield Metric(f"{measured}.{name}", value, int(1000 * moment), last)


def _numbers(measured: Metrics | CrossValidation | None) -> Iterator[tuple[str, float]]:
    """What was measured, by name: neither words nor what each fold has."""
    for name, value in ({} if measured is None else asdict(measured)).items():
        if isinstance(value, int | float):
            yield name, float(value)


def _save_model(job: JobView, folder: Path) -> None:
    """As scikit-learn's LinearRegression, which predicts from columns of these names wherever MLflow serves it."""
    import mlflow.sklearn
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    from slope.export.skops_file import to_sklearn
    from slope.trained import TrainedModel

    features = job.dataset.columns
    model = TrainedModel(str(job.id), np.array(job.weights), job.bias, "float64", job.dataset.target, features)
    signature = ModelSignature(
        Schema([ColSpec("double", name) for name in features or []]), Schema([ColSpec("double")])
    )
    requirements: list[str] = [f"scikit-learn=={version('scikit-learn')}", f"skops=={version('skops')}"]
    mlflow.sklearn.save_model(
        to_sklearn(model),
        str(folder),
        signature=signature if features else None,
        serialization_format="skops",
        pip_requirements=requirements,
    )


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch


def _milliseconds(moment: Any) -> int:
    return int(1000 * moment.timestamp())
