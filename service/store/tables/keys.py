"""The tables of keys, and of what was done with them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Table


class AccessKey(Table):
    """A key by which somebody comes in. Of its secret only a digest is kept."""

    __tablename__ = "keys"
    __table_args__ = (CheckConstraint("scope IN ('read', 'train', 'admin')", name="scope"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    """As it stands in the key."""
    name: Mapped[str] = mapped_column(index=True)
    owner: Mapped[str]
    """Whose things are made and seen with it."""
    scope: Mapped[str]
    digest: Mapped[bytes]
    """SHA-256 of the whole key."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    """When it was last used, to the minute."""
    replaced_by: Mapped[str | None]
    """The key that was made in its place."""


class AuditEntry(Table):
    """A change that was asked for with a key, and how it was answered."""

    __tablename__ = "audit_log"
    __table_args__ = (Index(None, "key_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    key_id: Mapped[str]
    owner: Mapped[str]
    method: Mapped[str]
    address: Mapped[str]
    """Without its query."""
    subject: Mapped[str | None]
    """The id of what was changed or made, where there is one."""
    status: Mapped[int]
    """Of the answer."""
