"""Answers about datasets."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from slope.answers.view import Page, View, is_missing

Kind = Literal["number", "integer", "boolean", "category"]
"""What a column was made from."""


class RowsPage(Page[dict[str, float]]):
    row_numbers: list[int] | None = Field(default=None, exclude_if=is_missing)
    """Of a sample: the number of each of its rows in the dataset, counted from 0 and ascending."""


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
    owner: str | None = Field(default=None, exclude_if=is_missing, examples=["alice"])
    """Whose it is, where keys are asked for; left out of what belongs to nobody."""
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
