"""Which queued jobs belong to whom, so that owners take turns"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

_WAITS_FOR_TURN = sa.text("status = 'queued' AND owner <> ''")


def upgrade() -> None:
    """Without keys nothing is in it."""
    op.create_index(
        "jobs_turn_index",
        "jobs",
        ["status", "owner", "id"],
        postgresql_where=_WAITS_FOR_TURN,
        sqlite_where=_WAITS_FOR_TURN,
    )


def downgrade() -> None:
    op.drop_index("jobs_turn_index", table_name="jobs")
