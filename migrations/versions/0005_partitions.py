"""Partitions of a job's data, reduced by several workers"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "partitions",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", COUNT, nullable=False),
        sa.Column("first_row", COUNT, nullable=False),
        sa.Column("rows", COUNT, nullable=False),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker_id", sa.Uuid(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("reduced", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("partitions_job_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("partitions_pkey")),
    )
    op.add_column("jobs", sa.Column("partitions_done", COUNT, nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "partitions_done")
    op.drop_table("partitions")
