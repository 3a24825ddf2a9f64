"""What all tables have in common: types that mean the same on PostgreSQL and SQLite, and how keys are called."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    TypeDecorator,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm.attributes import set_committed_value

from slope.arrays import Array

Vector = JSON(none_as_null=True).with_variant(ARRAY(Double, dimensions=1), "postgresql")
"""Doubles: an array on PostgreSQL, JSON on SQLite; plain SQL can read both."""

Document = JSON(none_as_null=True)
"""Kept as it was written. JSONB would turn −0.0 into 0."""

Metadata = JSON().with_variant(JSONB(), "postgresql")
"""Strings by name, to be searched."""

Count = BigInteger().with_variant(Integer, "sqlite")


class Moment(TypeDecorator[datetime]):
    """A point in time, always UTC and aware. SQLite stores text without a zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


class Identifier(Uuid[UUID]):
    """An id. SQLite stores what the API shows, with dashes: who looks for the one finds the other.

    PostgreSQL has a type of its own, which takes the place of this one. A TypeDecorator would cost both a call a value.
    """

    def bind_processor(self, dialect: Dialect) -> Any:
        return lambda value: None if value is None else str(value)

    def literal_processor(self, dialect: Dialect) -> Any:
        return lambda value: f"'{value}'"


@compiles(Identifier, "sqlite")
def _text_with_dashes(*_: Any, **__: Any) -> str:
    return "CHAR(36)"


class Table(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_N_name)s_index",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "pk": "%(table_name)s_pkey",
        }
    )
    type_annotation_map = {
        str: Text,
        int: Count,
        float: Double,
        datetime: Moment,
        list[float]: Vector,
        dict[str, Any]: Document,
        dict[str, str]: Metadata,
        list[Any]: Document,
        bytes: LargeBinary,
        UUID: Identifier,
    }

    def pretend(self, values: Mapping[str, Any]) -> None:
        """Let columns have other values in this object, which are not written."""
        for name, value in values.items():
            set_committed_value(self, name, value)


class Owned:
    """Of a table whose rows belong to somebody."""

    owner: Mapped[str] = mapped_column(default="", server_default="")
    """Whose key it was made with; empty without keys. See service.store.connections.ownership."""


def write_document(value: Any) -> str:
    """JSON as documents and vectors are kept. Python's own module takes several times as long.

    It knows all integers, and earlier versions accepted integers without a bound.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return json.dumps(value)


class NotJson:
    """In the place of a document that is none any more: who reads its row for something else is not kept from that."""


def read_document(content: str | bytes) -> Any:
    """What was written so; NotJson where somebody has damaged it, as only SQLite lets them."""
    try:
        return orjson.loads(content)
    except ValueError:
        pass
    try:
        return json.loads(content)
    except ValueError:
        return NotJson()


def labels_of(document: Any) -> dict[str, str]:
    """The strings by name in a document that is to have nothing else: none where somebody has damaged it."""
    pairs = document.items() if isinstance(document, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, str)}


def write_vectors(matrix: NDArray[np.generic]) -> list[str]:
    """Each row of M × D numbers as a list, as SQLite keeps it. All are written in one go, and then cut."""
    text = orjson.dumps(np.ascontiguousarray(matrix), option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return text[1:-1].replace("],[", "]\n[").split("\n")


def read_vectors(texts: Sequence[str]) -> Array:
    """At least one list of D numbers as a row of M × D. All are read as one list, and then cut."""
    numbers = ",".join(texts).replace("[", "").replace("]", "")
    return np.array(orjson.loads(f"[{numbers}]"), np.float64).reshape(len(texts), -1)
