"""What workers have done, in numbers that only grow"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    for name in ("counts", "inherited_counts"):
        op.add_column("workers", sa.Column(name, sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    for name in ("inherited_counts", "counts"):
        op.drop_column("workers", name)
