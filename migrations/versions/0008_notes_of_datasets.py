"""What was decided about the file of a dataset; and an index, so that what is stored is added up without its rows"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("datasets", sa.Column("notes", sa.JSON(none_as_null=True), nullable=False, server_default="[]"))
    op.create_index("datasets_size_index", "datasets", ["size"])


def downgrade() -> None:
    op.drop_index("datasets_size_index", "datasets")
    op.drop_column("datasets", "notes")
