"""Answers about datasets."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from service.api.schemas.view import View
from service.store.tables import Dataset
from slope.tabular.summary import Kind


class ColumnView(View):
    name: str = Field(examples=["bmi"])
    """As jobs name it."""
    type: Kind
    """What it was made from; its numbers are float64 whatever that was."""
    count: int
    """Of its numbers."""
    nulls: int
    """Cells of the file that had no finite number, and were dropped or filled as was asked for."""
    min: float
    """Of its numbers."""
    max: float
    """Of its numbers."""
    mean: float | None
    """Of its numbers; null where it is beyond float64."""
    deviation: float | None
    """Of the population."""


class DatasetView(View):
    id: UUID
    """By which jobs name it."""
    name: str | None
    """As its sender calls it."""
    version: int | None
    """Of those that have or had its name, counted from 1; null where it has none."""
    rows: int
    """How many."""
    columns: list[ColumnView]
    """In their order."""
    content_hash: str
    """SHA-256 over names and numbers: the same for the same table, whatever format it came in."""
    size: int
    """Bytes in the storage."""
    notes: list[str]
    """What was decided about the file that its sender may not expect."""
    inline: bool
    """Whether it came with a job: then it goes with the last job that uses it."""
    created_at: datetime
    """When it was kept."""

    @classmethod
    def of(cls, row: Dataset) -> "DatasetView":
        return cls(
            id=row.id,
            name=row.name,
            version=row.version,
            rows=row.rows,
            columns=[ColumnView(**column) for column in row.columns],
            content_hash=row.content_hash,
            size=row.size,
            notes=row.notes,
            inline=row.is_inline,
            created_at=row.created_at,
        )
