"""The extremes of epochs, from which few of many are chosen to draw a curve"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ID = sa.Uuid().with_variant(sa.CHAR(36), "sqlite")


def upgrade() -> None:
    op.create_table(
        "epoch_extremes",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("first_epoch", COUNT, nullable=False),
        sa.Column("last_epoch", COUNT, nullable=False),
        sa.Column("block", sa.LargeBinary(), nullable=False),
        sa.Column("buckets", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE", name=op.f("epoch_extremes_job_id_fkey")),
        sa.PrimaryKeyConstraint("job_id", "first_epoch", name=op.f("epoch_extremes_pkey")),
    )
    if op.get_bind().dialect.name == "postgresql":  # parts of them are read, and they do not get smaller
        for column in ("block", "buckets"):
            op.execute(f"ALTER TABLE epoch_extremes ALTER COLUMN {column} SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("epoch_extremes")
