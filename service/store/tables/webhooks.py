"""The tables of webhooks, and of what they are sent."""

from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Owned, Table
from slope.spec.webhooks import WebhookEvent

_WAITING = text("due_at IS NOT NULL")
_OF_SWEEP = text("type = 'sweep.finished' AND body IS NOT NULL")
"""A sweep ends once."""
_EVENTS: tuple[str, ...] = get_args(WebhookEvent)


class Webhook(Owned, Table):
    """An address that is told when a job or a sweep of its owner ends."""

    __tablename__ = "webhooks"
    __table_args__ = (Index(None, "owner"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    name: Mapped[str | None]
    url: Mapped[str]
    events: Mapped[list[Any]]
    """What it is told of: types of messages."""
    secret: Mapped[str]
    """As its receiver has it: what is signed must be signed with it."""
    previous_secret: Mapped[str | None]
    previous_until: Mapped[datetime | None]
    """Until when messages are signed with that one, too."""
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    failing_since: Mapped[datetime | None]
    """When a message was not accepted first, after the last one that was."""
    lease_token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    """Whose turn it is to send, and for how long; without a token, how long it is left in peace."""

    @property
    def told(self) -> list[str]:
        """What `events` says; nothing where somebody has damaged that, until they are named again."""
        return [each for each in self.events if each in _EVENTS] if isinstance(self.events, list) else []


class Delivery(Owned, Table):
    """A message to a webhook. It refers to no row of another table, so that nobody has to wait for it, or for those:
    it is written where a job ends."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index(None, "webhook_id", "due_at", postgresql_where=_WAITING, sqlite_where=_WAITING),
        Index(None, "webhook_id", "id"),
        Index(None, "created_at"),
        Index(
            "deliveries_of_sweeps_index",
            "webhook_id",
            "sweep_id",
            unique=True,
            postgresql_where=_OF_SWEEP,
            sqlite_where=_OF_SWEEP,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    webhook_id: Mapped[UUID]
    type: Mapped[str]
    job_id: Mapped[UUID | None]
    sweep_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
    body: Mapped[str | None]
    """What is sent, the same bytes each time; null of a sweep of which a job has ended, and perhaps not the last."""
    status: Mapped[str] = mapped_column(default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime | None]
    """When it is to be sent; null where it is not any more."""
    last_attempt_at: Mapped[datetime | None]
    answered: Mapped[int | None]
    """The status of the last answer."""
    error: Mapped[str | None]
