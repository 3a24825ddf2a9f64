"""Reads rows by the thousand as columns, without an object a number where the database allows it.

PostgreSQL sends all rows as one value in its binary format, which one NumPy record array reads: as they were written
(see bulk), every row of a job has the same length. SQLite's driver makes objects of numbers, but not of vectors.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, literal_column, select
from sqlalchemy.orm import Session

from service.store.records.bulk import MOST_TUPLES
from service.store.tables.base import read_vectors

Column = NDArray[Any] | None
_INT8, _FLOAT8, _FLOAT8_ARRAY = 20, 701, 1022
"""What PostgreSQL calls the types of our numbers."""
_SCALARS = {_INT8: ">i8", _FLOAT8: ">f8", 23: ">i4"}
_ARRAY_HEAD = 20
"""Bytes of an array before its numbers: dimensions, nulls, type, how many numbers, the first one's index."""


def select_columns(session: Session, names: Sequence[str], rows: Any) -> dict[str, Column]:
    """The columns of these names, as `rows`, a Select of a table, chooses and orders them.

    All rows are of one job: vectors of the same length, and a column is None where it is null in all rows.
    """
    rows = rows.with_only_columns(*map(literal_column, names))  # untyped, so that nothing is done with their values
    if session.get_bind().dialect.name != "postgresql":
        return _from_tuples(names, session.connection().execute(rows).cursor)
    sent: Select[Any] = select(literal_column("string_agg(record_send(found), '')")).select_from(rows.subquery("found"))
    return _from_binary(names, session.scalar(sent) or b"")


def _from_tuples(names: Sequence[str], cursor: Any) -> dict[str, Column]:
    parts: list[list[Column]] = []
    while rows := cursor.fetchmany(MOST_TUPLES):
        parts.append([_as_array(column) for column in zip(*rows, strict=True)])
    if not parts:
        return dict.fromkeys(names, np.empty(0))
    return {name: _joined(column) for name, column in zip(names, zip(*parts, strict=True), strict=True)}


def _joined(parts: Sequence[Column]) -> Column:
    return np.concatenate([part for part in parts if part is not None]) if parts[0] is not None else None


def _as_array(column: tuple[Any, ...]) -> Column:
    first = column[0]
    if first is None:
        return None
    if isinstance(first, str):
        return read_vectors(column)
    return np.array(column, np.int64 if isinstance(first, int) else np.float64)


def _from_binary(names: Sequence[str], content: bytes) -> dict[str, Column]:
    """Each row: how many fields, then of each its type, its length in bytes and its value; all big-endian."""
    if not content:
        return dict.fromkeys(names, np.empty(0))
    layout = _layout(names, content)
    rows = np.frombuffer(content, layout)
    for name in names:
        if (rows[f"{name} length"] != rows[f"{name} length"][0]).any():
            raise ValueError(f"The rows of one job differ in the length of {name}")
    return {name: _native(rows, name) for name in names}


def _layout(names: Sequence[str], content: bytes) -> np.dtype[Any]:
    """That of the first row, and so of all."""
    layout: list[Any] = [("fields", ">i4")]
    place = 4
    for name in names:
        kind, length = np.frombuffer(content, ">i4", 2, place).tolist()
        layout += [(f"{name} type", ">i4"), (f"{name} length", ">i4"), *_field(name, kind, length)]
        place += 8 + max(0, length)
    return np.dtype(layout)


def _field(name: str, kind: int, length: int) -> list[Any]:
    if length < 0:
        return []
    if kind != _FLOAT8_ARRAY:
        return [(name, _SCALARS[kind])]
    count = (length - _ARRAY_HEAD) // 12
    return [(f"{name} head", f"V{_ARRAY_HEAD}"), (name, [("length", ">i4"), ("value", ">f8")], (count,))]


def _native(rows: NDArray[Any], name: str) -> Column:
    if name not in (rows.dtype.names or ()):
        return None
    field = rows[name]["value"] if rows.dtype[name].subdtype else rows[name]
    return field.astype(np.int64 if field.dtype.kind == "i" else np.float64)
