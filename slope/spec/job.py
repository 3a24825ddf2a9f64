"""A job request: data, hyperparameters, and what to do besides the training."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, model_validator

from slope.spec.data import DatasetReference, InlineData, Rows, width_of
from slope.spec.faults import in_words, invalid
from slope.spec.names import counted
from slope.spec.part import FewFaults, Part, refuse_overflow
from slope.spec.training import MAX_EPOCHS, TrainingSpec

MAX_PREDICT = 10_000

NO_NUL = in_words(r"^[^\x00]*$", "Input should have no NUL, the character of the code 0")
"""PostgreSQL stores no NUL in text."""

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
MetadataName = Annotated[str, Field(min_length=1, max_length=64, pattern=NO_NUL)]
MetadataValue = Annotated[str, Field(max_length=512, pattern=NO_NUL)]
MAX_METADATA = 50
MAX_FOLDS = 20
MOST_VALIDATED = 128
"""Features of a job that is cross-validated: each fold takes a few milliseconds."""
Folds = Annotated[int, Field(ge=2, le=MAX_FOLDS)]
Metadata = Annotated[dict[MetadataName, MetadataValue], Field(max_length=MAX_METADATA), FewFaults]
_DEVICES = "Input should be auto, cpu, cuda, or one GPU by its number, as cuda:0"
_DEVICE = in_words(r"^(auto|cpu|cuda(:(0|[1-9]\d?))?)$", _DEVICES)


def _refuse_unknown_device(value: Any) -> Any:
    if isinstance(value, str) and not re.search(_DEVICE, value):
        raise invalid((), _DEVICES)
    return value


Device = Annotated[str, Field(pattern=_DEVICE), BeforeValidator(_refuse_unknown_device)]


def choose_dataset(value: Any) -> Any:
    """Choose the kind of dataset by its id or name, so that only the faults of that kind are reported."""
    if isinstance(value, InlineData | DatasetReference):
        return value
    kind = DatasetReference if isinstance(value, dict) and {"id", "name"} & value.keys() else InlineData
    return kind.model_validate(value)


class InitialFrom(Part):
    """Where a job begins that goes on from another: with its parameters after one of its epochs."""

    job: UUID = Field(strict=False)
    """The id of the other job."""
    epoch: Annotated[int, Field(ge=0, lt=MAX_EPOCHS)] | None = Field(default=None, examples=[9])
    """The epoch of that job, counted from 0; its last one so far where this is null."""
    optimizer_state: bool = False
    """Whether the optimizer also goes on with what it remembers, as momentum and Adam do. The new job then has the
    other's optimizer, and, where the data is standardized, its data."""


class JobRequest(Part):
    """One training job: what to learn from, how, and where."""

    name: Name | None = Field(default=None, examples=["lecture"])
    """For people, and to find it by."""
    dataset: Annotated[InlineData | DatasetReference, BeforeValidator(choose_dataset)]
    """Rows, or a stored dataset."""
    initial_from: InitialFrom | None = None
    """Another job to go on from. The epochs count from 0, and the schedule and the order of rows begin anew; the
    parameters are copied when the job is accepted, in the place of `initial_weights` and `initial_bias`."""
    hyperparameters: TrainingSpec = TrainingSpec()
    """Those that are left out have their defaults."""
    predict: Rows = Field(default=[], max_length=MAX_PREDICT, examples=[[4.0]])
    """Points to predict before and after training: numbers, or rows of D numbers."""
    device: Device = "auto"
    """Where to train: `auto`, `cpu`, `cuda`, or `cuda:N`."""
    timeout_seconds: Annotated[float, Field(gt=0)] | None = None
    """The job fails when it has not ended this long after it first began to run."""
    cross_validation: Folds | None = Field(default=None, examples=[5])
    """Into how many folds the rows trained on are dealt: the job's metrics then have the errors of each fold by the
    exact solution of the others, under the job's penalties."""
    metadata: Metadata = Field(default={}, examples=[{"course": "autograd"}])
    """Words to find it by."""

    @model_validator(mode="before")
    @classmethod
    def _from_an_answer(cls, value: Any) -> Any:
        """What a GET of a job answers can be posted again: of it counts what a request has."""
        if not (isinstance(value, dict) and {"id", "status", "transitions"} <= value.keys()):
            return value
        asked = {name: each for name, each in value.items() if name in cls.model_fields}
        return asked | {"dataset": _reference_of(value.get("dataset"))} | _start_of(asked)

    @model_validator(mode="after")
    def _fits_its_data(self) -> Self:
        data = self.dataset
        if self.initial_from:
            _refuse_two_starts(self.hyperparameters)
        if isinstance(data, InlineData):
            refuse_misfits(self, data.rows, data.width)
            refuse_overflow(self.hyperparameters.dtype, ("dataset",), {"x": data.x, "y": data.y})
        return self


def _reference_of(answered: Any) -> Any:
    """A stored dataset as a request names it, out of how answers do."""
    if not (isinstance(answered, dict) and "columns" in answered):
        return answered
    found = {"id": answered.get("id"), "features": answered["columns"], "target": answered.get("target")}
    return found | ({"weights": answered["weights"]} if answered.get("weights") else {})


def _start_of(asked: dict[str, Any]) -> dict[str, Any]:
    """The parameters that an answer names were copied: only the optimizer's state still has to come from the other."""
    origin, spec = asked.get("initial_from"), asked.get("hyperparameters")
    if not (isinstance(origin, dict) and origin.get("optimizer_state") and isinstance(spec, dict)):
        return {"initial_from": None}
    return {"hyperparameters": without_start(spec)}


def without_start(hyperparameters: dict[str, Any]) -> dict[str, Any]:
    """Without the parameters to begin with: they come from another job."""
    return {name: value for name, value in hyperparameters.items() if name not in _STARTS}


_STARTS = ("initial_weights", "initial_bias")


def _refuse_two_starts(spec: TrainingSpec) -> None:
    for name in _STARTS:
        if getattr(spec, name) != "zeros":
            detail = "The job begins with the parameters of another (initial_from): leave one of the two out"
            raise invalid(("hyperparameters", name), detail)


def refuse_misfits(request: JobRequest, rows: int, features: int) -> None:
    """Refuse what does not fit a dataset of this size: weights and points of the wrong width, a split without rows."""
    spec = request.hyperparameters
    weights = spec.initial_weights
    if isinstance(weights, list) and len(weights) != features:
        raise invalid(
            ("hyperparameters", "initial_weights"),
            f"It has {counted(len(weights), 'initial weight')} for {counted(features, 'feature')}",
        )
    if request.predict and width_of(request.predict) != features:
        raise invalid(
            ("predict", 0),
            f"A point has {counted(width_of(request.predict), 'number')}, the data {counted(features, 'feature')}",
        )
    _refuse_empty_parts(spec, rows)
    if request.cross_validation is not None:
        _refuse_cross_validation(request.cross_validation, spec, rows, features)
    refuse_overflow(spec.dtype, ("predict",), request.predict)


def _refuse_empty_parts(spec: TrainingSpec, rows: int) -> None:
    if spec.names_rows:
        _refuse_rows_beyond(spec, rows)
    validation, test = spec.held_back(rows)
    if spec.validation_fraction and not 0 < validation < rows:
        raise invalid(
            ("hyperparameters", "validation_fraction"),
            f"Of {counted(rows, 'row')} it must leave at least one to train on and one to validate with",
        )
    if spec.test_fraction and not 0 < test < rows - validation:
        others = f" and {validation} to validate with" if validation else ""
        raise invalid(
            ("hyperparameters", "test_fraction"),
            f"Of {counted(rows, 'row')} it must leave at least one to train on{others}, "
            "and take at least one to test with",
        )


def _refuse_rows_beyond(spec: TrainingSpec, rows: int) -> None:
    named = {"validation_rows": spec.validation_rows, "test_rows": spec.test_rows}
    for name, ranges in named.items():
        if ranges and ranges[-1][1] > rows:
            where = ("hyperparameters", name, len(ranges) - 1, 1)
            raise invalid(where, f"There are {rows} rows, counted from 0: a range ends at {rows} at the latest")
    if sum(spec.held_back(rows)) == rows:
        name = "validation_rows" if spec.validation_rows else "test_rows"
        raise invalid(("hyperparameters", name), f"Of {counted(rows, 'row')} it must leave at least one to train on")


def _refuse_cross_validation(folds: int, spec: TrainingSpec, rows: int, features: int) -> None:
    """Refuse it where there is no exact solution to validate, or too few rows."""
    left = rows - sum(spec.held_back(rows))
    if spec.loss != "squared_error":
        detail = f"Exact solutions are cross-validated, and {spec.loss} has none: leave this out, or take squared_error"
    elif "weights" in spec.frozen:
        detail = "The weights are frozen, and nothing of them is found anew without a fold: leave this out"
    elif features > MOST_VALIDATED:
        detail = f"At most {MOST_VALIDATED} features are cross-validated; there are {features}"
    elif left < folds:
        detail = f"Of {counted(rows, 'row')} {left} are trained on, which do not fill {folds} folds: ask for fewer"
    else:
        return
    raise invalid(("cross_validation",), detail)


def device_for(request: str) -> str:
    """The device that a request gets: `cpu` or `cuda:N`.

    `auto` is the CPU: a linear model's step is too small to gain from a transfer to the GPU, and the CPU's bits are
    those of the plain loop.
    """
    return {"auto": "cpu", "cuda": "cuda:0"}.get(request, request)


def requests_served(devices: Sequence[str]) -> list[str]:
    """What a job may ask for and get where there are these devices: `auto`, each by its name, and `cuda` for any."""
    return [request for request in ("auto", "cuda", *devices) if device_for(request) in devices]
