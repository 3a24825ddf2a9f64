"""Webhooks, and the messages of each by the page."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from service.store.connections.locks import take_lock
from service.store.database import now
from service.store.tables import Delivery, Webhook


def add_webhook(session: Session, webhook: Webhook) -> None:
    session.add(webhook)
    session.flush()


def find_webhook(session: Session, webhook_id: UUID, *, lock: bool = False) -> Webhook | None:
    """With `lock` nobody else can change it until the transaction ends."""
    return session.get(Webhook, webhook_id, with_for_update=lock or None)


def count_webhooks(session: Session, owner: str) -> int:
    """Nobody else makes one for that owner until the transaction ends."""
    take_lock(session, int.from_bytes(sha256(f"webhooks of {owner}".encode()).digest()[:8], signed=True))
    return session.scalar(select(func.count(Webhook.id)).where(Webhook.owner == owner)) or 0


def select_webhooks(session: Session, *, before: UUID | None, limit: int) -> list[Webhook]:
    """At most `limit` webhooks, the newest first."""
    query = select(Webhook).order_by(Webhook.id.desc()).limit(limit)
    return list(session.scalars(query if before is None else query.where(Webhook.id < before)))


def change_webhook(session: Session, webhook_id: UUID, **values: Any) -> None:
    session.execute(update(Webhook).where(Webhook.id == webhook_id).values(**values))


def disable_webhook(session: Session, webhook_id: UUID, reason: str) -> None:
    """Send nothing more, and note nothing more."""
    change_webhook(session, webhook_id, disabled_at=now(session), disabled_reason=reason)


def remove_webhook(session: Session, webhook_id: UUID) -> None:
    """Delete a webhook. Its messages are not sent any more, and stay until they are deleted."""
    session.execute(delete(Webhook).where(Webhook.id == webhook_id))


def remove_deliveries(session: Session, webhook_id: UUID, limit: int) -> int:
    """Delete at most this many messages of a webhook. How many they were."""
    some = select(Delivery.id).where(Delivery.webhook_id == webhook_id).order_by(Delivery.id).limit(limit)
    gone = session.execute(delete(Delivery).where(Delivery.id.in_(some)))
    return int(gone.rowcount)  # type: ignore[attr-defined]


def find_delivery(session: Session, webhook_id: UUID, delivery_id: UUID) -> Delivery | None:
    found = session.get(Delivery, delivery_id)
    return found if found and found.webhook_id == webhook_id and found.body is not None else None


def select_deliveries(
    session: Session, webhook_id: UUID, *, status: str | None, before: UUID | None, limit: int
) -> Sequence[Delivery]:
    """At most `limit` messages of a webhook, the newest first."""
    query = select(Delivery).where(Delivery.webhook_id == webhook_id, Delivery.body.is_not(None))
    query = query if status is None else query.where(Delivery.status == status)
    query = query if before is None else query.where(Delivery.id < before)
    return session.scalars(query.order_by(Delivery.id.desc()).limit(limit)).all()


def send_delivery_again(session: Session, delivery_id: UUID) -> None:
    """Let a message be sent now, as if it never had been."""
    anew = {"status": "waiting", "attempts": 0, "due_at": now(session)}
    session.execute(update(Delivery).where(Delivery.id == delivery_id).values(anew))
