"""The column that says how much each row of a job's data counts"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("row_weights", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "row_weights")
