"""What a column of a table is in a copy. It is the same from both databases, and goes into both.

Numbers keep their bits, documents their text. Only the order of the names in metadata is not kept: PostgreSQL does not.
"""

import json
from abc import ABC
from collections.abc import Sequence
from math import nan
from typing import Any, ClassVar

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Double, LargeBinary, Text, Uuid
from sqlalchemy.dialects import postgresql

from service.store.tables import Epoch, Step


class Kind(ABC):
    """How the values of a kind of column come out of the drivers, and how they go in. Here: as they are."""

    arrow: ClassVar[pa.DataType]
    asked_as: ClassVar[str] = "{}"
    """What PostgreSQL is asked for: the column, or the column as another type."""

    def from_postgresql(self, values: Sequence[Any]) -> pa.Array:
        return pa.array(values, self.arrow)

    def from_sqlite(self, values: Sequence[Any]) -> pa.Array:
        return pa.array(values, self.arrow)

    def to_postgresql(self, column: pa.Array) -> list[Any]:
        found: list[Any] = column.to_pylist()
        return found

    def to_sqlite(self, column: pa.Array) -> list[Any]:
        return self.to_postgresql(column)


class Number(Kind):
    arrow = pa.float64()


class Count(Kind):
    arrow = pa.int64()


class Words(Kind):
    """A text, or a document as it was written."""

    arrow = pa.string()


class Document(Words):
    asked_as = "{}::text"


class Identifier(Words):
    """An id as the API writes it."""

    asked_as = "{}::text"


class Bits(Kind):
    arrow = pa.binary()


class Truth(Kind):
    arrow = pa.bool_()

    def from_sqlite(self, values: Sequence[Any]) -> pa.Array:
        return pa.array(values, pa.int64()).cast(self.arrow)

    def to_sqlite(self, column: pa.Array) -> list[Any]:
        return self.to_postgresql(column.cast(pa.int64()))


class Labels(Document):
    """Strings by name."""

    def from_postgresql(self, values: Sequence[Any]) -> pa.Array:
        return super().from_postgresql([None if text is None else _in_order(text) for text in values])

    def from_sqlite(self, values: Sequence[Any]) -> pa.Array:
        return self.from_postgresql(values)


class Moment(Kind):
    """SQLite has it as text in UTC."""

    arrow = pa.timestamp("us", "UTC")

    def from_sqlite(self, values: Sequence[Any]) -> pa.Array:
        return pc.assume_timezone(pa.array(values, pa.string()).cast(pa.timestamp("us")), "UTC")

    def to_sqlite(self, column: pa.Array) -> list[Any]:
        return super().to_sqlite(column.cast(pa.timestamp("us")).cast(pa.string()))


class Parameters(Kind):
    """Doubles, as SQLAlchemy writes them: SQLite has them as JSON, with Infinity and NaN."""

    arrow = pa.list_(pa.float64())

    def from_sqlite(self, values: Sequence[Any]) -> pa.Array:
        return pa.array([None if text is None else json.loads(text) for text in values], self.arrow)

    def to_sqlite(self, column: pa.Array) -> list[Any]:
        return [None if vector is None else json.dumps(vector) for vector in column.to_pylist()]


class Vector(Kind):
    """Doubles of records, as service.store.records writes them: in JSON, null stands for what is not finite."""

    arrow = pa.list_(pa.float64())

    def from_sqlite(self, values: Sequence[Any]) -> pa.Array:
        read = orjson.loads(f"[{','.join('null' if text is None else text for text in values)}]")
        found = pa.array(read, self.arrow)
        if not found.values.null_count:
            return found
        return pa.ListArray.from_arrays(found.offsets, pc.fill_null(found.values, nan), mask=found.is_null())

    def to_sqlite(self, column: pa.Array) -> list[Any]:
        return [None if vector is None else orjson.dumps(vector).decode() for vector in column.to_pylist()]


KINDS: dict[str, Kind] = {
    "number": Number(),
    "count": Count(),
    "text": Words(),
    "document": Document(),
    "id": Identifier(),
    "bytes": Bits(),
    "truth": Truth(),
    "labels": Labels(),
    "moment": Moment(),
    "vector": Vector(),
    "parameters": Parameters(),
}
"""By the name that a copy has for each."""
_BY_TYPE: list[tuple[type[Any], str]] = [
    (postgresql.ARRAY, "parameters"),
    (postgresql.JSONB, "labels"),
    (postgresql.JSON, "document"),
    (Uuid, "id"),
    (DateTime, "moment"),
    (Double, "number"),
    (Boolean, "truth"),
    (BigInteger, "count"),
    (LargeBinary, "bytes"),
    (Text, "text"),
]
_RECORDS = {Epoch.__tablename__, Step.__tablename__}
_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


def kind_of(column: Column[Any]) -> str:
    """The name of a mapped column's kind, by its type on PostgreSQL. Raises LookupError for a type that is new here."""
    if column.table.name in _RECORDS and isinstance(column.type.dialect_impl(_POSTGRESQL), postgresql.ARRAY):
        return "vector"
    types = (column.type, getattr(column.type, "impl", None), column.type.dialect_impl(_POSTGRESQL))
    for known, name in _BY_TYPE:
        if any(isinstance(type_, known) for type_ in types):
            return name
    raise LookupError(f"{column} is of no kind that a copy has: add {column.type!r} to service.store.copies.kinds")


def finite_or_nan(numbers: Any) -> Any:
    """What SQLite can say of the numbers of vectors."""
    return np.where(np.isfinite(numbers), numbers, nan)


def _in_order(text: str) -> str:
    return orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS).decode()
