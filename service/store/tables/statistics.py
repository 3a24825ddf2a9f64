"""The table of passes over the rows of jobs that have ended."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Table

_OPEN = text("finished_at IS NULL")


class RowPass(Table):
    """A look at every row that a job trained on, made once for what its statistics cannot tell without."""

    __tablename__ = "passes"
    __table_args__ = (Index(None, "rung_at", postgresql_where=_OPEN, sqlite_where=_OPEN),)

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    """What is looked for, as slope.statistics names it: HC3, cluster:city, influence."""
    rung_at: Mapped[datetime | None]
    attempt: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """How many processes have taken it."""
    lease_token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    worker_id: Mapped[UUID | None]
    finished_at: Mapped[datetime | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    """What was found; none where it failed."""
    error_type: Mapped[str | None]
    """Of a pass that failed: the last part of the problem's type."""
    error_detail: Mapped[str | None]
