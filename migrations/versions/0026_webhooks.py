"""Webhooks, and the messages that they are sent"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"

_WAITING = sa.text("due_at IS NOT NULL")
_OF_SWEEP = sa.text("type = 'sweep.finished' AND body IS NOT NULL")


def upgrade() -> None:
    identity = sa.Uuid().with_variant(sa.CHAR(36), "sqlite")
    count = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "webhooks",
        sa.Column("id", identity, nullable=False),
        sa.Column("owner", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("previous_secret", sa.Text(), nullable=True),
        sa.Column("previous_until", moment, nullable=True),
        sa.Column("disabled_at", moment, nullable=True),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("failing_since", moment, nullable=True),
        sa.Column("lease_token", identity, nullable=True),
        sa.Column("lease_until", moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("webhooks_pkey")),
    )
    op.create_index(op.f("webhooks_owner_index"), "webhooks", ["owner"])
    op.create_table(
        "deliveries",
        sa.Column("id", identity, nullable=False),
        sa.Column("owner", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("webhook_id", identity, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("job_id", identity, nullable=True),
        sa.Column("sweep_id", identity, nullable=True),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", count, nullable=False),
        sa.Column("due_at", moment, nullable=True),
        sa.Column("last_attempt_at", moment, nullable=True),
        sa.Column("answered", count, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("deliveries_pkey")),
    )
    op.create_index(
        op.f("deliveries_webhook_id_due_at_index"),
        "deliveries",
        ["webhook_id", "due_at"],
        postgresql_where=_WAITING,
        sqlite_where=_WAITING,
    )
    op.create_index(op.f("deliveries_webhook_id_id_index"), "deliveries", ["webhook_id", "id"])
    op.create_index(
        "deliveries_of_sweeps_index",
        "deliveries",
        ["webhook_id", "sweep_id"],
        unique=True,
        postgresql_where=_OF_SWEEP,
        sqlite_where=_OF_SWEEP,
    )
    op.create_index(op.f("deliveries_created_at_index"), "deliveries", ["created_at"])


def downgrade() -> None:
    op.drop_table("deliveries")
    op.drop_table("webhooks")
