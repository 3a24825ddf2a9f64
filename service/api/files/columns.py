"""Records as columns of doubles: a vector of D numbers becomes the columns `weights_0` to `weights_{D-1}`.

A vector that is not there (the gradient of a frozen parameter) is a null in each of them, and so is a missing bias.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa

from service.prediction.datasets import Scored
from service.prediction.points import Prediction
from service.records.pages import StepsWithRows
from slope.columns import EpochColumns, StepColumns

_KINDS = {"epoch": pa.int64(), "step": pa.int64(), "rows": pa.list_(pa.int64())}
"""What is no double."""


def epoch_schema(features: int) -> pa.Schema:
    return _schema([field.name for field in fields(EpochColumns)], EpochColumns.vectors, features)


def step_schema(features: int) -> pa.Schema:
    epoch, step, *others = [field.name for field in fields(StepColumns)]
    return _schema([epoch, step, "rows", *others], StepColumns.vectors, features)


def epoch_batch(epochs: EpochColumns, schema: pa.Schema) -> pa.RecordBatch:
    return _batch(epochs.arrays(), len(epochs), schema)


def step_batch(found: StepsWithRows, schema: pa.Schema) -> pa.RecordBatch:
    return _batch({**found.steps.arrays(), "rows": found.rows}, len(found), schema)


def prediction_columns(found: Sequence[Prediction]) -> pa.RecordBatch:
    """Of at least one point."""
    columns = {
        **_vectors("x", [each.x for each in found], len(found[0].x)),
        "before": _doubles([each.before for each in found]),
        "after": _doubles([each.after for each in found]),
    }
    if found[0].bounds is not None:
        lower, upper = zip(*(each.bounds for each in found if each.bounds), strict=True)
        columns |= {"lower": _doubles(lower), "upper": _doubles(upper)}
    return pa.RecordBatch.from_pydict(columns)


def scored_columns(scored: Scored) -> pa.RecordBatch:
    columns = {
        "row": pa.array(range(scored.start, scored.start + len(scored.after)), pa.int64()),
        "before": pa.array(scored.before),
        "after": pa.array(scored.after),
    }
    if scored.y is not None:
        columns |= {"y": pa.array(scored.y), "residual": pa.array(scored.residuals)}
    if scored.bounds is not None:
        columns |= {"lower": pa.array(scored.bounds[0]), "upper": pa.array(scored.bounds[1])}
    return pa.RecordBatch.from_pydict(columns)


def _schema(names: Sequence[str], vectors: Collection[str], features: int) -> pa.Schema:
    cells = {name: [f"{name}_{each}" for each in range(features)] if name in vectors else [name] for name in names}
    return pa.schema([(cell, _KINDS.get(name, pa.float64())) for name in names for cell in cells[name]])


def _batch(columns: Mapping[str, Any], count: int, schema: pa.Schema) -> pa.RecordBatch:
    """What is not there is null."""
    numbers: dict[str, Any] = {}
    for name, column in columns.items():
        is_matrix = isinstance(column, np.ndarray) and column.ndim == 2
        numbers |= {f"{name}_{each}": row for each, row in enumerate(column.T.copy())} if is_matrix else {name: column}
    found = [numbers.get(field.name) for field in schema]
    arrays = [
        pa.nulls(count, field.type) if column is None else pa.array(column, field.type)
        for field, column in zip(schema, found, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _doubles(values: Sequence[float | None]) -> pa.Array:
    return pa.array(values, pa.float64())


def _vectors(name: str, vectors: Sequence[list[float] | None], features: int) -> dict[str, pa.Array]:
    missing = np.array([vector is None for vector in vectors], bool)
    nothing = [0.0] * features
    matrix = np.array([vector or nothing for vector in vectors], float).reshape(len(vectors), features)
    return {f"{name}_{each}": pa.array(column, mask=missing) for each, column in enumerate(matrix.T.copy())}
