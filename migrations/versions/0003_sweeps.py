"""Sweeps, and jobs that train together"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON(none_as_null=True)
LABELS = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "sweeps",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("labels", LABELS, nullable=False),
        sa.Column("spec", DOCUMENT, nullable=False),
        sa.Column("swept", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("sweeps_pkey")),
        sa.UniqueConstraint("idempotency_key", name=op.f("sweeps_idempotency_key_key")),
    )
    sweep = sa.ForeignKey("sweeps.id", name=op.f("jobs_sweep_id_fkey"))
    op.add_column("jobs", sa.Column("sweep_id", sa.Uuid(), sweep, nullable=True), inline_references=True)
    op.add_column("jobs", sa.Column("group_id", sa.Uuid(), nullable=True))
    op.add_column("jobs", sa.Column("group_width", COUNT, nullable=True))
    op.add_column("jobs", sa.Column("place", COUNT, nullable=True))
    op.create_index("jobs_sweep_id_index", "jobs", ["sweep_id"])
    op.create_index("jobs_group_id_place_index", "jobs", ["group_id", "place"])


def downgrade() -> None:
    op.drop_index("jobs_group_id_place_index", "jobs")
    op.drop_index("jobs_sweep_id_index", "jobs")
    for column in ("place", "group_width", "group_id", "sweep_id"):
        op.drop_column("jobs", column)
    op.drop_table("sweeps")
