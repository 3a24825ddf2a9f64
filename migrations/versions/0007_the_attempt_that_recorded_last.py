"""The attempt of a job that recorded something last"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("recorded_in", COUNT, nullable=False, server_default=sa.text("0")))


def downgrade() -> None:
    op.drop_column("jobs", "recorded_in")
