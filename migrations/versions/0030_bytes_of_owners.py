"""What the datasets of an owner take together, and those of everybody, as far as it is counted

It begins empty: whoever is the first to add something within a quota counts. Where there are no quotas, nobody does,
and whoever deletes something has nothing to take off from.
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.create_table(
        "stored_usage",
        sa.Column("id", sa.Uuid().with_variant(sa.CHAR(36), "sqlite"), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("stored_usage_pkey")),
    )
    op.create_index(op.f("stored_usage_owner_counted_at_index"), "stored_usage", ["owner", "counted_at"])


def downgrade() -> None:
    op.drop_table("stored_usage")
