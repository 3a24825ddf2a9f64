"""The triangle of a dataset's columns, from which full-batch jobs train without a look at its rows"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("datasets", sa.Column("triangle", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("datasets", "triangle")
