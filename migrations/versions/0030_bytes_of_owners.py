"""What the datasets of an owner take together, and those of everybody, as far as it is counted"""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"

_OF_OWNERS = (
    "SELECT owner, sum(size) FROM (SELECT owner, object_id, max(size) AS size FROM datasets GROUP BY owner, object_id)"
    " AS objects GROUP BY owner"
)
_OF_ALL = "SELECT '*', sum(size) FROM (SELECT max(size) AS size FROM datasets GROUP BY object_id) AS objects"


def upgrade() -> None:
    identifier = sa.Uuid().with_variant(sa.CHAR(36), "sqlite")
    sums = op.create_table(
        "stored_usage",
        sa.Column("id", identifier, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("stored_usage_pkey")),
    )
    op.create_index(op.f("stored_usage_owner_index"), "stored_usage", ["owner"])
    connection, moment = op.get_bind(), datetime.now(UTC)
    known = [tuple(row) for query in (_OF_OWNERS, _OF_ALL) for row in connection.execute(sa.text(query))]
    new = str if connection.dialect.name == "sqlite" else UUID
    rows = [
        {"id": new(str(uuid4())), "owner": owner, "bytes": int(size), "counted_at": moment}
        for owner, size in known
        if size
    ]
    op.bulk_insert(sums, rows)


def downgrade() -> None:
    op.drop_table("stored_usage")
