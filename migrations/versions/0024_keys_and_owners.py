"""Keys, what was done with them, and owners of jobs, sweeps, datasets and aliases

What there is belongs to nobody, and so does what is made without keys: the owner is then the empty string.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

_OWNED = ("jobs", "sweeps", "datasets", "aliases")


def upgrade() -> None:
    _create_keys()
    _create_audit_log()
    for table in _OWNED:
        op.add_column(table, sa.Column("owner", sa.Text(), nullable=False, server_default=""))
    op.create_index(op.f("jobs_owner_id_index"), "jobs", ["owner", "id"])
    op.drop_index(op.f("datasets_name_version_index"), table_name="datasets")
    op.create_index(op.f("datasets_owner_name_version_index"), "datasets", ["owner", "name", "version"], unique=True)
    _key_of_aliases("owner", "name")


def downgrade() -> None:
    op.execute("DELETE FROM aliases WHERE owner <> ''")  # others may have the same name
    _key_of_aliases("name")
    op.drop_index(op.f("datasets_owner_name_version_index"), table_name="datasets")
    op.create_index(op.f("datasets_name_version_index"), "datasets", ["name", "version"], unique=True)
    op.drop_index(op.f("jobs_owner_id_index"), table_name="jobs")
    for table in _OWNED:
        op.drop_column(table, "owner")
    op.drop_table("audit_log")
    op.drop_table("keys")


def _create_keys() -> None:
    op.create_table(
        "keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replaced_by", sa.Text(), nullable=True),
        sa.CheckConstraint("scope IN ('read', 'train', 'admin')", name=op.f("keys_scope_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("keys_pkey")),
    )
    op.create_index(op.f("keys_name_index"), "keys", ["name"])


def _create_audit_log() -> None:
    identity = sa.Uuid().with_variant(sa.CHAR(36), "sqlite")
    op.create_table(
        "audit_log",
        sa.Column("id", identity, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("status", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_log_pkey")),
    )
    op.create_index(op.f("audit_log_key_id_id_index"), "audit_log", ["key_id", "id"])
    op.create_index(op.f("audit_log_at_index"), "audit_log", ["at"])


def _key_of_aliases(*columns: str) -> None:
    """No table refers to this one: SQLite can copy it, to give it another primary key."""
    with op.batch_alter_table("aliases") as aliases:
        aliases.drop_constraint(op.f("aliases_pkey"), type_="primary")
        aliases.create_primary_key(op.f("aliases_pkey"), list(columns))
