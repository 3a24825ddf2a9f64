"""How well the model of a job predicts the rows of each kind, and its loss without penalties, by which sweeps rank"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("loss_training", sa.Double(), nullable=True))
    op.add_column("jobs", sa.Column("metrics", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "metrics")
    op.drop_column("jobs", "loss_training")
