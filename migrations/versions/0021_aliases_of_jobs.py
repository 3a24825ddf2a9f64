"""Names by which jobs can be asked for in the place of their ids"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    identity = sa.Uuid().with_variant(sa.CHAR(36), "sqlite")
    op.create_table(
        "aliases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("job_id", identity, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("aliases_job_id_fkey")),
        sa.PrimaryKeyConstraint("name", name=op.f("aliases_pkey")),
    )
    op.create_index(op.f("aliases_job_id_index"), "aliases", ["job_id"])


def downgrade() -> None:
    op.drop_table("aliases")
