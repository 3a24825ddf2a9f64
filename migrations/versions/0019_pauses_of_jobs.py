"""Jobs that are paused, and the wish to pause one that runs"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_BEFORE = "'queued', 'running', 'succeeded', 'failed', 'cancelled'"
_SINCE = "'queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled'"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("pause_requested", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    _replace_statuses(_BEFORE, _SINCE)


def downgrade() -> None:
    """Paused jobs go on."""
    op.execute("UPDATE jobs SET status = 'queued', version = version + 1 WHERE status = 'paused'")
    op.execute("UPDATE events SET status = 'queued' WHERE status = 'paused'")
    _replace_statuses(_SINCE, _BEFORE)
    op.drop_column("jobs", "pause_requested")


def _replace_statuses(old: str, new: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(op.f("jobs_status_check"), "jobs")
        op.create_check_constraint(op.f("jobs_status_check"), "jobs", f"status IN ({new})")
        return
    # In place, as in 0009. A table that others refer to cannot be copied and dropped: their rows would go with it.
    quoted = [statuses.replace("'", "''") for statuses in (old, new)]
    op.execute("PRAGMA writable_schema = ON")
    op.execute(
        f"UPDATE sqlite_schema SET sql = replace(sql, '{quoted[0]}', '{quoted[1]}') WHERE name = 'jobs'"  # noqa: S608
    )
    op.execute("PRAGMA writable_schema = RESET")
