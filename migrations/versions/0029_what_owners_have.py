"""What the jobs of an owner record together, as far as it is counted"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("id", sa.Uuid().with_variant(sa.CHAR(36), "sqlite"), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("numbers", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("usage_pkey")),
    )
    op.create_index(op.f("usage_owner_counted_at_index"), "usage", ["owner", "counted_at"])


def downgrade() -> None:
    op.drop_table("usage")
