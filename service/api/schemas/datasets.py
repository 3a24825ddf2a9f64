"""Answers about datasets."""

from service.store.tables import Dataset
from slope.answers.datasets import ColumnView, DatasetView


def view_dataset(row: Dataset) -> DatasetView:
    return DatasetView(
        id=row.id,
        owner=row.owner or None,
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
