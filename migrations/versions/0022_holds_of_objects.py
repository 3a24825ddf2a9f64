"""Holds: while somebody copies the objects of datasets, those of datasets that are deleted stay"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.create_table(
        "holds",
        sa.Column("id", sa.Uuid().with_variant(sa.CHAR(36), "sqlite"), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("holds_pkey")),
    )


def downgrade() -> None:
    op.drop_table("holds")
