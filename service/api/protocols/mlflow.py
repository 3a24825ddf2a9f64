"""MLflow's scoring protocol: rows as frames, records or arrays, their columns found by name.

Only the columns that the model uses are looked at: what stands in the others may be anything.
"""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Annotated, Any, Self

import numpy as np
from pydantic import FailFast, Field, TypeAdapter, ValidationError, WrapValidator, model_validator

from service.api.request_bodies.json_body import Foreign
from service.api.request_bodies.values import refuse_many_cells
from service.errors import InvalidRequest, MalformedRequest
from slope.arrays import Array
from slope.spec import Fault, invalid
from slope.spec.data import Rows
from slope.spec.faults import Location, pointer, sentence
from slope.spec.names import counted, listed
from slope.spec.part import FewFaults

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Record = dict[str, Any]
Columns = dict[str, Any]

_NUMBER = re.compile(r"[ \t]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[ \t]*", re.ASCII)
"""A number as files have it; Python's own `float` would take 1_0, nan and the digits of other scripts."""
_MOST_NAMED = 5
"""This many missing columns are named."""

_rows = TypeAdapter(Rows)
_records = TypeAdapter(Annotated[list[Record], FailFast()])
_columns = TypeAdapter(Columns)
_numbers = TypeAdapter(Annotated[list[Number], FailFast()])


def _rows_or_records(value: Any, _: Any) -> Any:
    """Choose by the first item, so that a fault is named once, where it is."""
    has_records = isinstance(value, list) and value and isinstance(value[0], dict)
    return (_records if has_records else _rows).validate_python(value)


def _rows_or_columns(value: Any, _: Any) -> Any:
    return (_columns if isinstance(value, dict) else _rows).validate_python(value)


class SplitFrame(Foreign):
    """As pandas' `to_dict(orient="split")` has it."""

    columns: Annotated[list[str | int], FailFast()]
    """Names of the features, in any order and among others; or numbers, and the features come in their own order."""
    index: list[Any] = []
    """Ignored."""
    data: Annotated[list[list[Any]], FailFast()]
    """Numbers in the columns of the features, and anything in others."""


class Invocation(Foreign):
    """Rows to predict, in exactly one of four shapes."""

    dataframe_split: SplitFrame | None = None
    """A frame: names of columns, and rows."""
    dataframe_records: Annotated[list[Record], FewFaults] | None = None
    """A frame: an object for each row."""
    instances: Annotated[list[Number] | list[list[Number]] | list[Record] | None, WrapValidator(_rows_or_records)] = (
        None
    )
    """Rows of numbers, or objects with a number for each feature."""
    inputs: Annotated[list[Number] | list[list[Number]] | Columns | None, WrapValidator(_rows_or_columns)] = None
    """Rows of numbers, or a list of numbers for each feature."""
    params: dict[str, Any] | None = None
    """Ignored: the model has none."""

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
    """The rows (N × D) of a CSV file with a header. Raises InvalidRequest, MalformedRequest and TableTooLarge."""
    refuse_many_cells(content)
    try:
        lines = csv.reader(io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline=""), strict=True)
        columns = next(lines, [])
        indices = _indices(columns, features, ())
        rows = (_cells(number, row, columns, indices) for number, row in enumerate(filter(None, lines)))
        numbers = np.fromiter(chain.from_iterable(rows), float)
    except (UnicodeDecodeError, csv.Error) as error:
        raise MalformedRequest(f"The body cannot be read as CSV in UTF-8: {type(error).__name__}") from error
    return numbers.reshape(-1, len(features))


def _of_frame(frame: SplitFrame, features: Sequence[str]) -> Array:
    if all(isinstance(name, int) for name in frame.columns) and len(frame.columns) == len(features):
        indices = list(range(len(features)))
    else:
        indices = _indices(frame.columns, features, ("dataframe_split", "columns"))
    for number, row in enumerate(frame.data):
        if len(row) != len(frame.columns):
            detail = f"Row {number} has {counted(len(row), 'number')} for {counted(len(frame.columns), 'column')}"
            raise _at(("dataframe_split", "data", number), detail)
    at = ("dataframe_split", "data")
    return _matrix([_column([row[index] for row in frame.data], at, index) for index in indices])


def _of_records(records: list[Record], name: str, features: Sequence[str]) -> Array:
    for number, record in enumerate(records):
        if missing := [feature for feature in features if feature not in record]:
            raise _at((name, number), f"There is no {listed(missing, _MOST_NAMED)}")
    return _matrix([_column([record[feature] for record in records], (name,), feature) for feature in features])


def _of_instances(instances: list[float] | list[list[float]] | list[Record], features: Sequence[str]) -> Array:
    records = [each for each in instances if isinstance(each, dict)]
    if records:
        return _of_records(records, "instances", features)
    return _of_rows([each for each in instances if not isinstance(each, dict)], "instances", features)


def _of_columns(columns: Columns, features: Sequence[str]) -> Array:
    if missing := [feature for feature in features if feature not in columns]:
        raise _at(("inputs",), f"There is no {listed(missing, _MOST_NAMED)}")
    found = [_column(columns[feature], ("inputs", feature)) for feature in features]
    for feature, numbers in zip(features, found, strict=True):
        if len(numbers) != len(found[0]):
            raise _at(("inputs", feature), f"It has another length than {features[0]}")
    return _matrix(found)


def _of_rows(rows: Sequence[float | list[float]], name: str, features: Sequence[str]) -> Array:
    matrix = [row if isinstance(row, list) else [row] for row in rows]
    if matrix and len(matrix[0]) != len(features):
        raise _at(
            (name, 0), f"A row has {counted(len(matrix[0]), 'number')}, the model {counted(len(features), 'feature')}"
        )
    return np.array(matrix, float).reshape(len(matrix), len(features))


def _matrix(columns: list[list[float]]) -> Array:
    return np.array(columns, float).T


def _column(cells: Any, location: Location, *name: str | int) -> list[float]:
    """The numbers of a column that stands at the location, each of its cells by this name within its row."""
    try:
        return _numbers.validate_python(cells)
    except ValidationError as error:
        [fault] = error.errors()
        number = fault["loc"]
        raise _at((*location, *number, *name) if number else location, sentence(fault)) from error


def _indices(columns: Sequence[str | int], features: Sequence[str], location: Location) -> list[int]:
    """Where each feature is among the columns."""
    counts = Counter(columns)
    if wrong := [feature for feature in features if counts[feature] != 1]:
        there = listed([str(column) for column in columns], _MOST_NAMED)
        raise _at(location, f"There must be one column {listed(wrong, _MOST_NAMED)}: there is {there or 'none'}")
    indices = {name: index for index, name in enumerate(columns)}
    return [indices[feature] for feature in features]


def _cells(number: int, row: list[str], columns: list[str], indices: list[int]) -> list[float]:
    if len(row) != len(columns):
        raise _at((number,), f"Row {number} has {counted(len(row), 'cell')}, the header {len(columns)}")
    return [_number(row[index], (number, columns[index])) for index in indices]


def _number(cell: str, location: Location) -> float:
    value = float(cell) if _NUMBER.fullmatch(cell) else math.nan
    if not math.isfinite(value):
        raise _at(location, f"Row {location[0]}, column {location[1]}: this is not a finite number")
    return value


def _at(location: Location, detail: str) -> InvalidRequest:
    return InvalidRequest(detail, [Fault(detail, pointer(location))])
