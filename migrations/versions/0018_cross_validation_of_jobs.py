"""Into how many folds the rows of a job are dealt, and the error of its cross-validation, by which sweeps rank"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("sweeps", sa.Column("cross_validation", COUNT, nullable=True))
    op.add_column("jobs", sa.Column("cross_validation", COUNT, nullable=True))
    op.add_column("jobs", sa.Column("loss_cross_validation", sa.Double(), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "loss_cross_validation")
    op.drop_column("jobs", "cross_validation")
    op.drop_column("sweeps", "cross_validation")
