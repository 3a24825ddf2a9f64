"""What the documents are to be that are kept of jobs, datasets and sweeps, and what of it is none any more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pickle import UnpicklingError
from typing import Any

from pydantic import TypeAdapter

from service.errors.scarcity import is_scarcity
from service.store.tables import Dataset, Job, Sweep
from slope.answers.analysis import Analysis
from slope.answers.jobs import InitialFromView, ScaledView
from slope.answers.metrics import JobMetrics
from slope.answers.plan import Plan
from slope.engines.plan import kept_plan
from slope.spec import TrainingSpec
from slope.tabular.summary import Column

UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    UnpicklingError,
    ValueError,
)
"""What comes of a document that is none any more, whoever reads it."""

Kind = type[Job] | type[Dataset] | type[Sweep]
Check = Callable[[Any], object]
_Matrix = list[list[float | None]]
"""JSON has null for what is not finite."""


def damaged_columns(kind: Kind, values: Mapping[str, Any]) -> dict[str, str]:
    """Those of a row's documents, by column, that are none any more, and what they are called."""
    known = [(name, *check) for name, check in DOCUMENTS[kind].items() if name in values]
    return {name: called for name, called, check in known if not succeeds(partial(check, values[name]))}


def damaged_parts(kind: Kind, values: Mapping[str, Any]) -> list[str]:
    """What the same are called; where each is one by itself, those that do not fit the others."""
    found = damaged_columns(kind, values)
    return list(found.values()) or _MISFITS[kind](values)


def succeeds(look: Callable[[], object]) -> bool:
    try:
        look()
    except UNREADABLE as error:
        if is_scarcity(error):
            raise
        return False
    return True


def _of(kind: Any) -> Check:
    """Where it is what the type says."""
    return lambda value: _adapter(kind).validate_python(value)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _plan(document: Any) -> None:
    _adapter(Plan).validate_python(vars(kept_plan(document)))


def _some_of(kind: Any) -> Check:
    """Where it is such a list, and not empty."""

    def check(document: Any) -> None:
        if not _adapter(kind).validate_python(document):
            raise ValueError("there is nothing in it")

    return check


def _scaler(document: Any) -> None:
    if document is not None:
        _adapter(ScaledView).validate_python({"weights": None, "bias": None} | document)


def _misfits_of_job(values: Mapping[str, Any]) -> list[str]:
    points, features = len(values["predict"]), len(values["features"])
    lengths = {"weights": features, "predictions_before": points, "predictions_after": points}
    return [DOCUMENTS[Job][name][0] for name, length in lengths.items() if len(values[name] or range(length)) != length]


def _misfits_of_dataset(values: Mapping[str, Any]) -> list[str]:
    names = [column["name"] for column in values["columns"]]
    numbers, triangle, side = values["numbers"], values["triangle"], len(names) + 1
    if numbers is not None and any(len(numbers.get(name, ())) != values["rows"] for name in names):
        return ["numbers"]
    return ["triangle"] if triangle is not None and len(triangle) != 4 * side * (side + 1) else []


def _no_misfits(_values: Mapping[str, Any]) -> list[str]:
    return []


DOCUMENTS: dict[Kind, dict[str, tuple[str, Check]]] = {
    Job: {
        "plan": ("plan", _plan),
        "spec": ("hyperparameters", _of(TrainingSpec)),
        "features": ("features", _some_of(list[str])),
        "predict": ("points to predict", _of(list[float] | list[list[float]])),
        "metadata_": ("metadata", _of(dict[str, str])),
        "initial_from": ("start", _of(InitialFromView | None)),
        "metrics": ("metrics", _of(JobMetrics | None)),
        "analysis": ("analysis", _of(Analysis | None)),
        "scaler": ("scales", _scaler),
        "weights": ("weights", _of(list[float] | None)),
        "predictions_before": ("predictions", _of(list[float | None] | None)),
        "predictions_after": ("predictions", _of(list[float | None] | None)),
    },
    Dataset: {
        "columns": ("columns", _some_of(list[Column])),
        "notes": ("notes", _of(list[str])),
        "numbers": ("numbers", _of(dict[str, list[float]] | None)),
    },
    Sweep: {
        "spec": ("hyperparameters", _of(TrainingSpec)),
        "swept": ("names of what is swept", _of(list[str])),
        "metadata_": ("metadata", _of(dict[str, str])),
    },
}
"""By the column: what it is called, and what raises one of UNREADABLE where it is none."""
_MISFITS: dict[Kind, Callable[[Mapping[str, Any]], list[str]]] = {
    Job: _misfits_of_job,
    Dataset: _misfits_of_dataset,
    Sweep: _no_misfits,
}


@dataclass(frozen=True)
class _Triangle:
    rows: int
    triangle: _Matrix | None
    lowest: list[float | None]
    highest: list[float | None]
    log_weights: float | None = None


@dataclass(frozen=True)
class _Folds:
    folds: list[_Triangle]


@dataclass(frozen=True)
class _Value:
    value: float | None


@dataclass(frozen=True)
class _Influence:
    press: float | None
    alone: list[int]
    tops: dict[str, _Matrix]


@dataclass(frozen=True)
class _Sandwich:
    covariance: _Matrix
    clusters: int | None
    alone: list[int]


FOUND = _of(_Triangle | _Folds | _Value | _Influence | _Sandwich)
"""Of what a pass over the rows found, as slope.statistics has it."""
