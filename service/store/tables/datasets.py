"""The table of datasets."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Owned, Table


class Dataset(Owned, Table):
    """Named columns to learn from. Their numbers are in the row, or an object: see service.data.numbers."""

    __tablename__ = "datasets"
    __table_args__ = (
        Index(None, "content_hash"),
        Index(None, "object_id", "size"),
        Index(None, "owner", "name", "version", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    name: Mapped[str | None]
    version: Mapped[int | None]
    """Of those of its owner that have or had this name, counted from 1; null where it has none."""
    is_inline: Mapped[bool]
    """Came with a job, and goes with the last job that uses it."""
    rows: Mapped[int]
    columns: Mapped[list[Any]] = mapped_column(deferred=True)
    """As slope.tabular.summary.Column has them."""
    content_hash: Mapped[str]
    object_id: Mapped[UUID]
    """Of the object that has the numbers; all datasets of the same content share it."""
    numbers: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    """Lists of few numbers, by column; then there is no object."""
    size: Mapped[int]
    """Bytes of the numbers, in the storage or in the row."""
    notes: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    """Sentences: what was decided about the file that its sender may not expect."""
    triangle: Mapped[bytes | None] = mapped_column(deferred=True)
    """As slope.triangle.Triangle encodes it; none of a table that came with a job, that is too wide, or that was read
    in before there were any and not used since."""
