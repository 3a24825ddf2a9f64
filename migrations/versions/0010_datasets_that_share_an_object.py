"""Datasets of the same content, each with a name, types and nulls of its own, share one object of the storage"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_ID = sa.Uuid().with_variant(sa.CHAR(36), "sqlite")
_NONE = "00000000-0000-0000-0000-000000000000"
_DATASETS = sa.table("datasets", sa.column("id", _ID), sa.column("object_id", _ID))


def upgrade() -> None:
    # SQLite adds a column to the rows it has only with a default.
    op.add_column("datasets", sa.Column("object_id", _ID, nullable=False, server_default=_NONE))
    op.execute(sa.update(_DATASETS).values(object_id=_DATASETS.c.id))
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("datasets", "object_id", server_default=None)
    op.drop_index("datasets_content_hash_index", "datasets")
    op.create_index("datasets_content_hash_index", "datasets", ["content_hash"])
    op.drop_index("datasets_size_index", "datasets")
    op.create_index("datasets_object_id_size_index", "datasets", ["object_id", "size"])


def downgrade() -> None:
    """Refused where datasets share an object: one of them would have no numbers."""
    shared = op.get_bind().scalar(sa.select(_DATASETS.c.id).where(_DATASETS.c.id != _DATASETS.c.object_id).limit(1))
    if shared is not None:
        raise ValueError(f"Dataset {shared} has its numbers in another's object: delete it, or upload it again later")
    op.drop_index("datasets_object_id_size_index", "datasets")
    op.create_index("datasets_size_index", "datasets", ["size"])
    op.drop_index("datasets_content_hash_index", "datasets")
    op.create_index("datasets_content_hash_index", "datasets", ["content_hash"], unique=True)
    op.drop_column("datasets", "object_id")
