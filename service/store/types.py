"""Column types that mean the same on PostgreSQL and SQLite."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Double, Integer, TypeDecorator
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

Vector = JSON(none_as_null=True).with_variant(ARRAY(Double, dimensions=1), "postgresql")
"""Doubles: an array on PostgreSQL, JSON on SQLite; plain SQL can read both."""

Document = JSON(none_as_null=True)
"""Kept as it was written. JSONB would turn −0.0 into 0."""

Labels = JSON().with_variant(JSONB(), "postgresql")
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
