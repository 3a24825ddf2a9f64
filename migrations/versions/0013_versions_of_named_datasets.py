"""Datasets of one name are versions of it, counted in the order in which they came"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_COUNTED = """
UPDATE datasets SET version = (
    SELECT count(*) FROM datasets AS earlier WHERE earlier.name = datasets.name AND earlier.id <= datasets.id
) WHERE name IS NOT NULL
"""
"""Ids grow with time."""


def upgrade() -> None:
    op.add_column("datasets", sa.Column("version", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=True))
    op.execute(_COUNTED)
    op.create_index(op.f("datasets_name_version_index"), "datasets", ["name", "version"], unique=True)


def downgrade() -> None:
    op.drop_index(op.f("datasets_name_version_index"), table_name="datasets")
    op.drop_column("datasets", "version")
