"""The table of what owners have, as far as it is counted."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Table


class Usage(Table):
    """A part of the numbers that the jobs of an owner record: their sum is what all of them do. See
    service.store.owners.usage."""

    __tablename__ = "usage"
    __table_args__ = (Index(None, "owner", "counted_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    numbers: Mapped[int]
    """Less than nothing of a job that was deleted."""
    counted_at: Mapped[datetime | None]
    """Of a sum, when all jobs were last looked at for it; null of what was deleted since."""


class StoredUsage(Table):
    """A part of the bytes that the datasets of an owner take, or those of everybody: their sum is what all of them do.
    See service.store.owners.stored."""

    __tablename__ = "stored_usage"
    __table_args__ = (Index(None, "owner", "counted_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    bytes: Mapped[int]
    """Less than nothing of a dataset that was deleted."""
    counted_at: Mapped[datetime | None]
    """Of a sum, when all datasets were last looked at for it; null of what was deleted since."""
