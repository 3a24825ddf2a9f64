"""Rows to learn from or to predict, as lists, arrays and frames have them, as the JSON that the service takes.

No library is imported for it: a frame is told by what it can do. pandas, polars and Arrow have names for their columns.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Rows = list[Any]
"""Numbers, or lists of numbers."""


def inline_dataset(
    x: Any, y: Any, *, weights: Any = None, features: Sequence[str] | None = None, target: str | None = None
) -> dict[str, Any]:
    """Rows as a request has them. `y` and `weights` may be names of columns of `x`, which then are no features."""
    columns = columns_of(x)
    taken = [each for each in (y, weights) if isinstance(each, str)]
    if columns is None:
        if taken:
            raise ValueError(f"{taken[0]!r} names a column, and x has no names for its columns: give the numbers")
        names, rows = list(features or ()), rows_of(x)
    else:
        names = list(features) if features is not None else [name for name in columns if name not in taken]
        rows = rows_of_columns(columns, names)
    found: dict[str, Any] = {"x": _finite("x", rows), "y": _finite("y", _column(y, columns))}
    if weights is not None:
        found["weights"] = _finite("weights", _column(weights, columns))
    if names:
        found |= {"features": names, "target": _target(y, target, names)}
    return found


def rows_to_predict(x: Any, features: Sequence[str] | None) -> Rows:
    """Rows as a model with these features takes them: the columns of a frame are found by their names."""
    columns = columns_of(x)
    return _finite("x", rows_of(x) if columns is None else rows_of_columns(columns, features or list(columns)))


def columns_of(x: Any) -> Mapping[str, list[Any]] | None:
    """The columns of a frame by their names; None of what has no names."""
    if isinstance(x, Mapping):
        return {str(name): _values(column) for name, column in x.items()}
    if hasattr(x, "to_pydict"):  # Arrow
        return columns_of(x.to_pydict())
    if hasattr(x, "iloc") and hasattr(x, "columns"):  # pandas
        return columns_of(x.to_dict(orient="list"))
    if hasattr(x, "columns") and hasattr(x, "__arrow_c_stream__"):  # polars and others
        return columns_of(_arrow_table(x))
    return None


def rows_of(x: Any) -> Rows:
    """N numbers, or N rows of numbers."""
    return [_values(row) if _is_several(row) else row for row in _values(x)]


def rows_of_columns(columns: Mapping[str, list[Any]], names: Sequence[str]) -> Rows:
    """The columns of these names, row by row."""
    if missing := [name for name in names if name not in columns]:
        there = ", ".join(map(repr, columns))
        raise ValueError(f"There is no column {', '.join(map(repr, missing))}: there are {there}")
    for name in names:
        _refuse_words(name, columns[name])
    return [list(row) for row in zip(*(columns[name] for name in names), strict=True)]


def _refuse_words(name: str, column: list[Any]) -> None:
    """One sentence about the column, where the service has one about every row."""
    found = next(((row, value) for row, value in enumerate(column) if isinstance(value, str)), None)
    if found:
        raise ValueError(
            f"Column {name!r} has {found[1]!r} in row {found[0]}, which is no number: choose other columns by features,"
            " or upload the table as a file with one_hot, which makes columns of its words"
        )


def _arrow_table(frame: Any) -> Any:
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        error.add_note("A frame of this kind is read by pyarrow: install it, or give the columns as a dictionary")
        raise
    return pa.table(frame)


def _column(values: Any, columns: Mapping[str, list[Any]] | None) -> list[Any]:
    """What a name stands for, or the numbers themselves."""
    if not isinstance(values, str):
        return rows_of(values)
    return [each for [each] in rows_of_columns(columns or {}, [values])]


def _target(y: Any, target: str | None, features: Sequence[str]) -> str:
    """A name for y that no feature has."""
    named = target or (y if isinstance(y, str) else getattr(y, "name", None))
    found = named if isinstance(named, str) and named else "y"
    while found in features:
        found += "_"
    return found


def _values(several: Any) -> list[Any]:
    for name in ("tolist", "to_pylist", "to_list"):  # NumPy and pandas, Arrow, polars
        if hasattr(several, name):
            return list(getattr(several, name)())
    return [_number(each) for each in several]


def _number(value: Any) -> Any:
    """A number of NumPy's as Python's."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _is_several(value: Any) -> bool:
    return isinstance(value, list | tuple) or hasattr(value, "tolist")


def _finite(name: str, rows: Rows) -> Rows:
    """Raises ValueError where JSON has no word for a number."""
    for place, row in enumerate(rows):
        for value in row if isinstance(row, list) else (row,):
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name} has {value} in row {place}, and numbers must be finite: leave the row out")
    return rows
