"""Jobs, datasets, records, events and workers"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
VECTOR = sa.JSON(none_as_null=True).with_variant(postgresql.ARRAY(sa.Double, dimensions=1), "postgresql")
DOCUMENT = sa.JSON(none_as_null=True)
LABELS = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

GRADIENT_VALUES = {
    "postgresql": """
        CREATE VIEW gradient_values AS
        SELECT job_id, epoch, step, 'weights[' || (place - 1) || ']' AS parameter, value
        FROM steps, unnest(gradient_weights) WITH ORDINALITY AS weight (value, place)
        UNION ALL
        SELECT job_id, epoch, step, 'bias', gradient_bias FROM steps WHERE gradient_bias IS NOT NULL
    """,
    "sqlite": """
        CREATE VIEW gradient_values AS
        SELECT job_id, epoch, step, 'weights[' || weight.key || ']' AS parameter, weight.value AS value
        FROM steps, json_each(steps.gradient_weights) AS weight
        UNION ALL
        SELECT job_id, epoch, step, 'bias', gradient_bias FROM steps WHERE gradient_bias IS NOT NULL
    """,
}
"""One gradient number a row."""


def upgrade() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("rows", COUNT, nullable=False),
        sa.Column("features", COUNT, nullable=False),
        sa.Column("x", sa.LargeBinary(), nullable=False),
        sa.Column("y", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("datasets_pkey")),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hostname", sa.Text(), nullable=False),
        sa.Column("process_id", COUNT, nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("devices", DOCUMENT, nullable=False),
        sa.Column("slots", COUNT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("stopped_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("workers_pkey")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", COUNT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("spec", DOCUMENT, nullable=False),
        sa.Column("predict", DOCUMENT, nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("timeout_seconds", sa.Double(), nullable=True),
        sa.Column("labels", LABELS, nullable=False),
        sa.Column("plan", DOCUMENT, nullable=False),
        sa.Column("analysis", DOCUMENT, nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempt", COUNT, nullable=False),
        sa.Column("crashes", COUNT, nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("rung_at", MOMENT, nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("worker_id", sa.Uuid(), nullable=True),
        sa.Column("process_id", COUNT, nullable=True),
        sa.Column("assigned_device", sa.Text(), nullable=True),
        sa.Column("checkpoint", sa.LargeBinary(), nullable=True),
        sa.Column("event_count", COUNT, nullable=False),
        sa.Column("epochs", COUNT, nullable=False),
        sa.Column("epochs_done", COUNT, nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("loss_first", sa.Double(), nullable=True),
        sa.Column("loss_last", sa.Double(), nullable=True),
        sa.Column("loss_best", sa.Double(), nullable=True),
        sa.Column("loss_validation", sa.Double(), nullable=True),
        sa.Column("weights", VECTOR, nullable=True),
        sa.Column("bias", sa.Double(), nullable=True),
        sa.Column("scaler", DOCUMENT, nullable=True),
        sa.Column("predictions_before", VECTOR, nullable=True),
        sa.Column("predictions_after", VECTOR, nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_detail", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name=op.f("jobs_status_check")
        ),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("jobs_dataset_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("jobs_pkey")),
        sa.UniqueConstraint("idempotency_key", name=op.f("jobs_idempotency_key_key")),
    )
    op.create_index("jobs_dataset_id_index", "jobs", ["dataset_id"], unique=False)
    op.create_index(
        "jobs_lease_until_index",
        "jobs",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("status = 'running'"),
        sqlite_where=sa.text("status = 'running'"),
    )
    op.create_index("jobs_name_index", "jobs", ["name"], unique=False)
    op.create_index("jobs_status_id_index", "jobs", ["status", "id"], unique=False)
    op.create_table(
        "epochs",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", COUNT, nullable=False),
        sa.Column("loss", sa.Double(), nullable=False),
        sa.Column("last_loss", sa.Double(), nullable=False),
        sa.Column("validation_loss", sa.Double(), nullable=True),
        sa.Column("gradient_mean_weights", VECTOR, nullable=True),
        sa.Column("gradient_mean_bias", sa.Double(), nullable=True),
        sa.Column("gradient_last_weights", VECTOR, nullable=True),
        sa.Column("gradient_last_bias", sa.Double(), nullable=True),
        sa.Column("gradient_norm", sa.Double(), nullable=False),
        sa.Column("weights", VECTOR, nullable=False),
        sa.Column("bias", sa.Double(), nullable=True),
        sa.Column("learning_rate", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("epochs_job_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "epoch", name=op.f("epochs_pkey")),
    )
    op.create_table(
        "events",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("seq", COUNT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("epochs_done", COUNT, nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("events_job_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "seq", name=op.f("events_pkey")),
    )
    op.create_table(
        "snapshots",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", COUNT, nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("snapshots_job_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "epoch", name=op.f("snapshots_pkey")),
    )
    op.create_table(
        "steps",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", COUNT, nullable=False),
        sa.Column("step", COUNT, nullable=False),
        sa.Column("loss", sa.Double(), nullable=False),
        sa.Column("gradient_weights", VECTOR, nullable=True),
        sa.Column("gradient_bias", sa.Double(), nullable=True),
        sa.Column("weights", VECTOR, nullable=False),
        sa.Column("bias", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("steps_job_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "epoch", "step", name=op.f("steps_pkey")),
    )
    op.execute(GRADIENT_VALUES[op.get_bind().dialect.name])


def downgrade() -> None:
    op.execute("DROP VIEW gradient_values")
    op.drop_table("steps")
    op.drop_table("snapshots")
    op.drop_table("events")
    op.drop_table("epochs")
    op.drop_index("jobs_status_id_index", "jobs")
    op.drop_index("jobs_name_index", "jobs")
    op.drop_index(
        "jobs_lease_until_index",
        "jobs",
        postgresql_where=sa.text("status = 'running'"),
        sqlite_where=sa.text("status = 'running'"),
    )
    op.drop_index("jobs_dataset_id_index", "jobs")
    op.drop_table("jobs")
    op.drop_table("workers")
    op.drop_table("datasets")
