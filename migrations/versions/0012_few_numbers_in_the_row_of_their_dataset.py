"""Few numbers that came with a job are in the row of their dataset; those that are there stay where they are"""

import numpy as np
import sqlalchemy as sa
from alembic import context, op

from slope.tabular.stored import encode

revision = "0012"
down_revision = "0011"

_DATASETS = sa.table(
    "datasets",
    sa.column("object_id", sa.Uuid().with_variant(sa.CHAR(36), "sqlite")),
    sa.column("numbers", sa.JSON(none_as_null=True)),
    sa.column("size", sa.BigInteger()),
)


def upgrade() -> None:
    op.add_column("datasets", sa.Column("numbers", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """What is in rows becomes objects of the storage, one at a time."""
    in_rows = _DATASETS.c.numbers.is_not(None)
    for object_id in op.get_bind().scalars(sa.select(_DATASETS.c.object_id).where(in_rows)).all():
        this = _DATASETS.c.object_id == object_id
        by_column = op.get_bind().scalars(sa.select(_DATASETS.c.numbers).where(this)).one()
        content = encode(list(by_column), [np.array(values, float) for values in by_column.values()])
        _put(f"{object_id}.parquet", content)
        op.execute(sa.update(_DATASETS).where(this).values(size=len(content)))
    op.drop_column("datasets", "numbers")


def _put(name: str, content: bytes) -> None:
    storage = context.config.attributes["storage"]
    if storage is None:
        raise ValueError("Datasets have their numbers in rows: this migration needs the storage they are moved to")
    storage.put(name, content)
