"""What somebody has damaged of a job in the database: looked for once something has failed, so that it costs nothing
before.

Every document of the job is held against what it is to be, and what stands in bytes is decoded.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache, partial
from pickle import UnpicklingError
from typing import Any
from uuid import UUID

import numpy as np
from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from service.errors import JobDamaged
from service.errors.scarcity import is_scarcity
from service.store.database import Database
from service.store.records import documents
from slope.answers.analysis import Analysis
from slope.answers.jobs import InitialFromView, ScaledView
from slope.answers.metrics import JobMetrics
from slope.answers.plan import Plan
from slope.engines.plan import kept_plan
from slope.spec import TrainingSpec
from slope.triangle import Triangle

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

Check = Callable[[Any], object]


@contextmanager
def damage_told(database: Database, job_id: UUID) -> Iterator[None]:
    """Raise JobDamaged for what fails in the block because the job was damaged."""
    try:
        yield
    except UNREADABLE as error:
        if is_scarcity(error):
            raise
        with database.reading() as session:
            damage = find_damage(session, job_id)
        if damage is None:
            raise
        raise damage from error


def find_damage(session: Session, job_id: UUID) -> JobDamaged | None:
    """None where all that is kept of the job can be read, and where the session sees no such job.

    Raises what is_scarcity says is one: what cannot be read for lack of memory may be sound.
    """
    if not documents.sees_job(session, job_id):
        return None
    found = _damaged_documents(session, job_id) or _damaged_bytes(session, job_id)
    return JobDamaged(job_id, list(dict.fromkeys(found))) if found else None


def damaged_columns(values: Mapping[str, Any]) -> dict[str, str]:
    """Those of a job's documents, by column, that are none any more, and what they are called."""
    known = [(name, *_DOCUMENTS[name]) for name in _DOCUMENTS if name in values]
    return {name: called for name, called, check in known if not _succeeds(partial(check, values[name]))}


def _damaged_documents(session: Session, job_id: UUID) -> list[str]:
    values = {name: documents.read_column(session, job_id, name) for name in _DOCUMENTS}
    if damaged := damaged_columns(values):
        return list(damaged.values())
    points, features = len(values["predict"]), len(values["features"])
    lengths = {"weights": features, "predictions_before": points, "predictions_after": points}
    return [_DOCUMENTS[name][0] for name, length in lengths.items() if len(values[name] or range(length)) != length]


def _damaged_bytes(session: Session, job_id: UUID) -> list[str]:
    """What is kept of its state, and what stands for its data."""
    looks: dict[str, Callable[[], object]] = {
        "state": lambda: _read_states(session, job_id),
        "data": lambda: _read_data(session, job_id),
    }
    return [called for called, look in looks.items() if not _succeeds(look)]


def _read_states(session: Session, job_id: UUID) -> None:
    of_group = documents.read_column(session, job_id, "place") is not None
    with closing(documents.read_states(session, job_id)) as states:
        for state in states:
            _read_state(state, of_group=of_group)


def _read_state(state: bytes, *, of_group: bool) -> object:
    if of_group:
        return np.frombuffer(state)[0]
    import torch

    return torch.load(io.BytesIO(state), weights_only=True)["epoch"]


def _read_data(session: Session, job_id: UUID) -> None:
    from slope.engines.reduction.partitioned import ReducedPartition

    numbers = documents.read_column_of_data(session, job_id, "numbers")
    columns = documents.read_column_of_data(session, job_id, "columns")
    rows = documents.read_column_of_data(session, job_id, "rows")
    if numbers is not None:
        _adapter(dict[str, list[float]]).validate_python(numbers)
    names = [column["name"] for column in columns]
    wanted = [*documents.read_column(session, job_id, "features"), documents.read_column(session, job_id, "target")]
    for name in wanted:
        if name not in names or (numbers is not None and len(numbers[name]) != rows):
            raise LookupError(name)
    if triangle := documents.read_column_of_data(session, job_id, "triangle"):
        Triangle.decode(triangle, rows)
    for reduced in documents.read_partitions(session, job_id):
        ReducedPartition.decode(reduced)


def _of(kind: Any) -> Check:
    """Where it is what the type says."""
    return lambda value: _adapter(kind).validate_python(value)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _plan(document: Any) -> None:
    _adapter(Plan).validate_python(vars(kept_plan(document)))


def _features(document: Any) -> None:
    if not _adapter(list[str]).validate_python(document):
        raise ValueError("a job has at least one feature")


def _scaler(document: Any) -> None:
    if document is not None:
        _adapter(ScaledView).validate_python({"weights": None, "bias": None} | document)


_DOCUMENTS: dict[str, tuple[str, Check]] = {
    "plan": ("plan", _plan),
    "spec": ("hyperparameters", _of(TrainingSpec)),
    "features": ("features", _features),
    "predict": ("points to predict", _of(list[float] | list[list[float]])),
    "metadata_": ("metadata", _of(dict[str, str])),
    "initial_from": ("start", _of(InitialFromView | None)),
    "metrics": ("metrics", _of(JobMetrics | None)),
    "analysis": ("analysis", _of(Analysis | None)),
    "scaler": ("scales", _scaler),
    "weights": ("weights", _of(list[float] | None)),
    "predictions_before": ("predictions", _of(list[float | None] | None)),
    "predictions_after": ("predictions", _of(list[float | None] | None)),
}
"""By the column of the job: what it is called, and what raises one of UNREADABLE where it is none."""


def _succeeds(look: Callable[[], object]) -> bool:
    try:
        look()
    except UNREADABLE as error:
        if is_scarcity(error):
            raise
        return False
    return True
