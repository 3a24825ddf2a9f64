"""MLflow's scoring protocol: rows as frames, records or arrays, their columns found by name."""

import csv
import io
import math
from collections.abc import Sequence
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BeforeValidator, Field, TypeAdapter, model_validator

from service.errors import InvalidRequest, MalformedRequest
from slope.data import Array
from slope.spec import Fault, invalid
from slope.spec.data import Rows
from slope.spec.faults import pointer
from slope.spec.part import Part

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Record = dict[str, Number]
Columns = dict[str, list[Number]]

_rows = TypeAdapter(Rows)
_records = TypeAdapter(list[Record])
_columns = TypeAdapter(Columns)


def _rows_or_records(value: Any) -> Any:
    """Choose by the first item, so that a fault is told once, at its own place."""
    has_records = isinstance(value, list) and value and isinstance(value[0], dict)
    return (_records if has_records else _rows).validate_python(value)


def _rows_or_columns(value: Any) -> Any:
    return (_columns if isinstance(value, dict) else _rows).validate_python(value)


class SplitFrame(Part):
    """As pandas' `to_dict(orient="split")` has it."""

    columns: list[str | int]
    """Names of the features, in any order and among others; or numbers, and the features come in their own order."""
    index: list[Any] = []
    data: list[list[Number]]


class Invocation(Part):
    """Rows to predict, in exactly one of four shapes."""

    dataframe_split: SplitFrame | None = None
    dataframe_records: list[Record] | None = None
    instances: Annotated[list[Number] | list[list[Number]] | list[Record] | None, BeforeValidator(_rows_or_records)] = (
        None
    )
    """Rows of numbers, or objects with a number for each feature."""
    inputs: Annotated[list[Number] | list[list[Number]] | Columns | None, BeforeValidator(_rows_or_columns)] = None
    """Rows of numbers, or a list of numbers for each feature."""
    params: Annotated[dict[str, Any], Field(max_length=0)] | None = None
    """The model has none."""

    @model_validator(mode="after")
    def _has_one_shape(self) -> Self:
        given = self.model_fields_set - {"params"}
        if len(given) != 1 or getattr(self, next(iter(given))) is None:
            raise invalid((), "Give one of dataframe_split, dataframe_records, instances and inputs")
        return self


def matrix_of(invocation: Invocation, features: Sequence[str]) -> Array:
    """The rows (N × D), columns in the order of the features; others are left out. Raises InvalidRequest."""
    if invocation.dataframe_split is not None:
        return _of_frame(invocation.dataframe_split, features)
    if invocation.dataframe_records is not None:
        return _of_records(invocation.dataframe_records, "dataframe_records", features)
    if invocation.instances is not None:
        return _of_instances(invocation.instances, features)
    assert invocation.inputs is not None
    if isinstance(invocation.inputs, dict):
        return _of_columns(invocation.inputs, features)
    return _of_rows(invocation.inputs, "inputs", features)


def matrix_of_csv(content: bytes, features: Sequence[str]) -> Array:
    """The rows (N × D) of a CSV file with a header. Raises InvalidRequest and MalformedRequest."""
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        columns = next(lines, [])
        places = _places(columns, features, (0,))
        rows = [_cells(number, row, columns, places) for number, row in enumerate(lines, 1) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise MalformedRequest(f"The body cannot be read as CSV in UTF-8: {type(error).__name__}") from error
    return np.array(rows, float).reshape(len(rows), len(features))


def _of_frame(frame: SplitFrame, features: Sequence[str]) -> Array:
    location = ("dataframe_split", "columns")
    if all(isinstance(name, int) for name in frame.columns) and len(frame.columns) == len(features):
        places = list(range(len(features)))
    else:
        places = _places(frame.columns, features, location)
    for number, row in enumerate(frame.data):
        if len(row) != len(frame.columns):
            detail = f"Row {number} has {len(row)} numbers for {len(frame.columns)} columns"
            raise _at(("dataframe_split", "data", number), detail)
    return np.array(frame.data, float).reshape(len(frame.data), len(frame.columns))[:, places]


def _of_records(records: list[Record], name: str, features: Sequence[str]) -> Array:
    for number, record in enumerate(records):
        for feature in features:
            if feature not in record:
                raise _at((name, number), f"There is no {feature}")
    rows = [[record[feature] for feature in features] for record in records]
    return np.array(rows, float).reshape(len(rows), len(features))


def _of_instances(instances: list[float] | list[list[float]] | list[Record], features: Sequence[str]) -> Array:
    records = [each for each in instances if isinstance(each, dict)]
    if records:
        return _of_records(records, "instances", features)
    return _of_rows([each for each in instances if not isinstance(each, dict)], "instances", features)


def _of_columns(columns: Columns, features: Sequence[str]) -> Array:
    for feature in features:
        if feature not in columns:
            raise _at(("inputs",), f"There is no {feature}")
        if len(columns[feature]) != len(columns[features[0]]):
            raise _at(("inputs", feature), f"It has another length than {features[0]}")
    return np.array([columns[feature] for feature in features], float).T


def _of_rows(rows: Sequence[float | list[float]], name: str, features: Sequence[str]) -> Array:
    matrix = [row if isinstance(row, list) else [row] for row in rows]
    if matrix and len(matrix[0]) != len(features):
        raise _at((name, 0), f"A row has {len(matrix[0])} numbers, the model {len(features)} features")
    return np.array(matrix, float).reshape(len(matrix), len(features))


def _places(columns: Sequence[str | int], features: Sequence[str], location: tuple[str | int, ...]) -> list[int]:
    """Where each feature is among the columns."""
    for feature in features:
        if columns.count(feature) != 1:
            raise _at(location, f"There must be one column {feature}")
    return [columns.index(feature) for feature in features]


def _cells(number: int, row: list[str], columns: list[str], places: list[int]) -> list[float]:
    if len(row) != len(columns):
        raise _at((number,), f"Row {number} has {len(row)} cells, the header {len(columns)}")
    return [_number(row[place], (number, columns[place])) for place in places]


def _number(cell: str, location: tuple[str | int, ...]) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _at(location, f"Row {location[0]}, column {location[1]}: this is not a finite number")
    return value


def _at(location: tuple[str | int, ...], detail: str) -> InvalidRequest:
    return InvalidRequest(detail, [Fault(detail, pointer(location))])
