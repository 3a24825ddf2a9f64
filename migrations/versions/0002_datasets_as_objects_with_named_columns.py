"""Datasets as objects of the storage, with named columns"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from alembic import context, op

from service.storage import Storage
from slope.tabular.stored import encode, read
from slope.tabular.summary import summarize

revision = "0002"
down_revision = "0001"

COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON(none_as_null=True)
DOUBLES = np.dtype("<f8")

DATASETS = sa.table(
    "datasets",
    sa.column("id", sa.Uuid()),
    sa.column("rows", COUNT),
    sa.column("features", COUNT),
    sa.column("x", sa.LargeBinary()),
    sa.column("y", sa.LargeBinary()),
    sa.column("columns", DOCUMENT),
    sa.column("content_hash", sa.Text()),
    sa.column("size", COUNT),
)
JOBS = sa.table(
    "jobs",
    sa.column("dataset_id", sa.Uuid()),
    sa.column("features", DOCUMENT),
    sa.column("target", sa.Text()),
)


def new_columns() -> list[tuple[str, sa.Column[Any]]]:
    """SQLite adds a column to the rows it has, and drops one, where it stands. The table is not copied and dropped:
    with that of jobs all records would go. The defaults are for those rows; only SQLite cannot take them away.
    """
    return [
        ("datasets", sa.Column("name", sa.Text(), nullable=True)),
        ("datasets", sa.Column("is_inline", sa.Boolean(), nullable=False, server_default=sa.true())),
        ("datasets", sa.Column("columns", DOCUMENT, nullable=False, server_default="[]")),
        ("datasets", sa.Column("content_hash", sa.Text(), nullable=False, server_default="")),
        ("datasets", sa.Column("size", COUNT, nullable=False, server_default="0")),
        ("jobs", sa.Column("features", DOCUMENT, nullable=False, server_default="[]")),
        ("jobs", sa.Column("target", sa.Text(), nullable=False, server_default="")),
    ]


def old_columns() -> list[tuple[str, sa.Column[Any]]]:
    return [
        ("datasets", sa.Column("x", sa.LargeBinary(), nullable=False, server_default="")),
        ("datasets", sa.Column("y", sa.LargeBinary(), nullable=False, server_default="")),
        ("datasets", sa.Column("features", COUNT, nullable=False, server_default="0")),
    ]


def upgrade() -> None:
    _add(new_columns())
    _move_to_objects()
    _drop_defaults(new_columns())
    _drop(old_columns())
    op.create_index("datasets_content_hash_index", "datasets", ["content_hash"], unique=True)


def downgrade() -> None:
    op.drop_index("datasets_content_hash_index", "datasets")
    _add(old_columns())
    _move_to_rows()
    _drop_defaults(old_columns())
    _drop(new_columns())


def _add(columns: list[tuple[str, sa.Column[Any]]]) -> None:
    for table, column in columns:
        op.add_column(table, column)


def _drop_defaults(columns: list[tuple[str, sa.Column[Any]]]) -> None:
    for table, column in columns if op.get_bind().dialect.name == "postgresql" else []:
        op.alter_column(table, column.name, server_default=None)


def _drop(columns: list[tuple[str, sa.Column[Any]]]) -> None:
    for table, column in columns:
        op.drop_column(table, column.name)


def _move_to_objects() -> None:
    """The blobs of one dataset at a time; jobs of datasets that are the same to the bit get one in common."""
    seen: dict[str, UUID] = {}
    for dataset_id in _dataset_ids():
        row = op.get_bind().execute(sa.select(DATASETS).where(DATASETS.c.id == dataset_id)).one()
        x = np.frombuffer(row.x, DOUBLES).reshape(row.rows, row.features)
        names = ["x"] if row.features == 1 else [f"x{number}" for number in range(row.features)]
        columns = [*np.ascontiguousarray(x.T), np.frombuffer(row.y, DOUBLES)]
        summary = summarize([*names, "y"], columns)
        kept = seen.setdefault(summary.content_hash, dataset_id)
        _change(JOBS, JOBS.c.dataset_id == dataset_id, dataset_id=kept, features=names, target="y")
        if kept != dataset_id:
            op.execute(sa.delete(DATASETS).where(DATASETS.c.id == dataset_id))
            continue
        content = encode([*names, "y"], columns)
        _storage().put(f"{dataset_id}.parquet", content)
        known = {"columns": [asdict(column) for column in summary.columns], "content_hash": summary.content_hash}
        _change(DATASETS, DATASETS.c.id == dataset_id, **known, size=len(content))


def _move_to_rows() -> None:
    """Of each dataset what its jobs chose of it. Refused where two chose differently: a row had one x and one y."""
    for dataset_id in _dataset_ids():
        row = op.get_bind().execute(sa.select(DATASETS.c.columns).where(DATASETS.c.id == dataset_id)).one()
        names = [column["name"] for column in row.columns]
        jobs = op.get_bind().execute(sa.select(JOBS).where(JOBS.c.dataset_id == dataset_id))
        chosen = {(*job.features, job.target) for job in jobs} or {tuple(names)}
        if len(chosen) > 1:
            raise ValueError(f"Jobs learn from different columns of dataset {dataset_id}: delete all but one of them")
        with _storage().open(f"{dataset_id}.parquet") as file:
            matrix = np.vstack(list(read(file, chosen.pop())))
        x, y = matrix[:, :-1].astype(DOUBLES), matrix[:, -1].astype(DOUBLES)
        blobs = {"x": x.tobytes(), "y": y.tobytes()}
        _change(DATASETS, DATASETS.c.id == dataset_id, features=x.shape[1], **blobs)


def _dataset_ids() -> Iterator[UUID]:
    yield from op.get_bind().scalars(sa.select(DATASETS.c.id).order_by(DATASETS.c.id)).all()


def _change(table: Any, condition: Any, **values: Any) -> None:
    op.get_bind().execute(sa.update(table).where(condition).values(values))


def _storage() -> Storage:
    storage: Storage | None = context.config.attributes["storage"]
    if storage is None:
        raise ValueError("There are datasets in the database: this migration needs the storage they are moved to")
    return storage
