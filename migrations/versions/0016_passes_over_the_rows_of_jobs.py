"""Passes over the rows of jobs that have ended, for statistics that a triangle does not tell"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    identity = sa.Uuid().with_variant(sa.CHAR(36), "sqlite")
    moment = sa.DateTime(timezone=True)
    count = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "passes",
        sa.Column("job_id", identity, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rung_at", moment, nullable=True),
        sa.Column("attempt", count, server_default=sa.text("0"), nullable=False),
        sa.Column("lease_token", identity, nullable=True),
        sa.Column("lease_until", moment, nullable=True),
        sa.Column("worker_id", identity, nullable=True),
        sa.Column("finished_at", moment, nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("error_type", sa.Text(), nullable=True),
        sa.Column("error_detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("passes_job_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "name", name=op.f("passes_pkey")),
    )
    is_open = sa.text("finished_at IS NULL")
    op.create_index(op.f("passes_rung_at_index"), "passes", ["rung_at"], postgresql_where=is_open, sqlite_where=is_open)


def downgrade() -> None:
    op.drop_table("passes")
