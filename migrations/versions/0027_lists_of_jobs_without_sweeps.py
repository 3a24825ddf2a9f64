"""Jobs of a sweep, or of none, in their order: a list of those of none was all of them, sorted"""

from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.create_index(op.f("jobs_sweep_id_id_index"), "jobs", ["sweep_id", "id"])
    op.drop_index(op.f("jobs_sweep_id_index"), table_name="jobs")


def downgrade() -> None:
    op.create_index(op.f("jobs_sweep_id_index"), "jobs", ["sweep_id"])
    op.drop_index(op.f("jobs_sweep_id_id_index"), table_name="jobs")
