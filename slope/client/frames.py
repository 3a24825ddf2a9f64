"""Rows to learn from or to predict, as lists, arrays and frames have them, as the JSON that the service takes.

No library is imported for it: a frame is told by what it can do. pandas, polars and Arrow have names for their columns.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

Rows = list[Any]
"""Numbers, or lists of numbers."""


def inline_dataset(
    x: Any, y: Any, *, weights: Any = None, features: Sequence[str] | None = None, target: str | None = None
) -> dict[str, Any]:
    """Rows as a request has them. `y` and `weights` may be names of columns of `x`, which then are no features."""
    columns, y, weights = columns_of(x), _as_text(y), _as_text(weights)
    taken = [each for each in (y, weights) if isinstance(each, str)]
    if columns is None:
        if taken:
            raise ValueError(f"{taken[0]!r} names a column, and x has no names for its columns: give the numbers")
        names, rows = list(map(str, features or ())), rows_of(x)
    else:
        names = [name for name in columns if name not in taken] if features is None else list(map(str, features))
        rows = rows_of_columns(columns, names)
    found: dict[str, Any] = {"x": _finite("x", rows), "y": _finite("y", _column(y, columns))}
    if weights is not None:
        found["weights"] = _finite("weights", _column(weights, columns))
    if names:
        found |= {"features": names, "target": target_name(target or y, names)}
    return found


def rows_to_predict(x: Any, features: Sequence[str] | None) -> Rows:
    """Rows as a model with these features takes them: the columns of a frame are found by their names."""
    columns = columns_of(x)
    return _finite("x", rows_of(x) if columns is None else rows_of_columns(columns, features or list(columns)))


def columns_of(x: Any) -> Mapping[str, list[Any]] | None:
    """The columns of a frame by their names; None of what has no names."""
    if isinstance(x, Mapping):
        return dict(zip(_names(x), map(_values, x.values()), strict=True))
    if hasattr(x, "to_pydict"):  # Arrow
        _names(getattr(x, "column_names", ()))  # of two columns of a name, to_pydict leaves one out
        return columns_of(x.to_pydict())
    if hasattr(x, "iloc") and hasattr(x, "columns"):  # pandas
        _names(x.columns)  # to_dict does, too
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
    return [list(row) for row in zip(*(_numbers(name, columns[name]) for name in names), strict=True)]


def target_name(y: Any, features: Sequence[str]) -> str:
    """A name for y that no feature has: its own, where it is a name or has one."""
    named = y if isinstance(y, str) else getattr(y, "name", None)
    found = named if isinstance(named, str) and named else "y"
    while found in features:
        found += "_"
    return found


def _as_text(column: Any) -> Any:
    """A name that is a whole number, as frames may have them; numbers of a column stay as they are."""
    return str(column) if isinstance(column, Integral) else column


def _names(several: Iterable[Any]) -> list[str]:
    names = [str(name) for name in several]
    if double := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"Several columns have the name {double[0]!r}: rename all but one of them")
    return names


def _numbers(name: str, column: list[Any]) -> list[Any]:
    """One sentence about the column, where the service has one about every row."""
    if {int, float}.issuperset(map(type, column)) and all(value == value for value in column):
        return column
    return [_cell(value, f"Column {name!r} has", row) for row, value in enumerate(column)]


def _cell(value: Any, who: str, row: int) -> int | float:
    if isinstance(value, Integral):  # bool is one of them: columns of true and false are learnt from
        return int(value)
    if isinstance(value, Real | Decimal) and not math.isnan(value):
        return float(value)
    if _is_gap(value):
        raise ValueError(
            f"{who} no number in row {row}: leave the row out, or upload the table as a file with nulls,"
            " which says what is to stand there"
        )
    of_words = "upload the table as a file with one_hot, which makes columns of its words"
    advice = of_words if isinstance(value, str) else "make numbers of it"
    raise ValueError(f"{who} {value!r} in row {row}, which is no number: choose other columns by features, or {advice}")


def _is_gap(value: Any) -> bool:
    """None, or NaN, NA and NaT: what pandas has for nothing is a number, or is called so."""
    return value is None or isinstance(value, Real | Decimal) or type(value).__name__ in ("NAType", "NaTType")


def _arrow_table(frame: Any) -> Any:
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        error.add_note("A frame of this kind is read by pyarrow: install it, or give the columns as a dictionary")
        raise
    return pa.table(frame)


def _column(values: Any, columns: Mapping[str, list[Any]] | None) -> list[Any]:
    """What a name stands for, the one column of a frame, or the numbers themselves."""
    if isinstance(values, str):
        return [each for [each] in rows_of_columns(columns or {}, [values])]
    frame = columns_of(values)
    if frame is None:
        return rows_of(values)
    if len(frame) != 1:
        raise ValueError(f"One column is needed, and there are {', '.join(map(repr, frame)) or 'none'}: choose one")
    return [each for [each] in rows_of_columns(frame, list(frame))]


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
