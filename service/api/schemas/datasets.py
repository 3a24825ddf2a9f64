"""Answers about datasets."""

from functools import partial

from service.api.schemas.jobs import shown
from service.errors import Damaged
from service.store.tables import Dataset
from slope.answers.datasets import ColumnView, DatasetView


def view_dataset(row: Dataset) -> DatasetView:
    """Without what somebody has damaged of it: then its notes say so."""
    return shown(row, partial(_view, row))


def _view(row: Dataset, damage: Damaged | None) -> DatasetView:
    return DatasetView(
        id=row.id,
        owner=row.owner or None,
        name=row.name,
        version=row.version,
        rows=row.rows,
        columns=[ColumnView(**column) for column in row.columns],
        content_hash=row.content_hash,
        size=row.size,
        notes=[*row.notes, damage.detail] if damage else row.notes,
        inline=row.is_inline,
        created_at=row.created_at,
    )
