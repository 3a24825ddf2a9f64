"""What webhooks are sent: whose turn it is to send, what is due, and what came of it.

A webhook is leased as a whole: one process at a time sends to it, and after a failure nobody does for a while.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, case, delete, exists, func, not_, or_, select, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.store.database import later, now
from service.store.jobs.sweeps import count_jobs
from service.store.outbox import SWEEP_FINISHED, delivery_row
from service.store.tables import Delivery, Sweep, Webhook
from service.store.tables.base import labels_of
from slope.answers.webhooks import SweepMessage, WebhookSweepMessage
from slope.statuses import OPEN


@dataclass(frozen=True)
class SendingLease:
    """The right of a process to send to a webhook."""

    webhook_id: UUID
    token: UUID

    @property
    def owned(self) -> ColumnElement[bool]:
        return and_(Webhook.id == self.webhook_id, Webhook.lease_token == self.token)


@dataclass(frozen=True)
class Batch:
    """Messages that are due, and what is needed to send them."""

    webhook: Webhook
    moment: datetime
    """When they were looked up, by the database's clock."""
    deliveries: Sequence[Delivery]

    @property
    def secrets(self) -> list[str]:
        """All that count now, the newest first."""
        until, previous = self.webhook.previous_until, self.webhook.previous_secret
        return [self.webhook.secret, *([previous] if previous and until and until > self.moment else [])]


@dataclass(frozen=True)
class Attempt:
    """What came of sending a message."""

    delivery_id: UUID
    answered: int | None = None
    """The status of the answer."""
    error: str | None = None
    """Why it was not accepted."""
    again_in: float | None = None
    """Seconds until it is sent again; None where it is not."""

    @property
    def status(self) -> str:
        return "delivered" if self.error is None else "failed" if self.again_in is None else "waiting"


def webhooks_to_serve(connection: Connection, *, served: Collection[UUID], limit: int, of_owner: int) -> Sequence[UUID]:
    """Those that nobody sends to and that something is due for, in no order: with many, each has its turn.

    Where webhooks belong to somebody, at most `of_owner` of one owner, with those that are `served` here already.
    """
    moment = later(connection, 0.0)
    is_due = exists().where(Delivery.webhook_id == Webhook.id, Delivery.due_at <= moment)
    is_open = and_(Webhook.disabled_at.is_(None), or_(Webhook.lease_until.is_(None), Webhook.lease_until <= moment))
    is_served = Webhook.id.in_(served)
    place = func.row_number().over(partition_by=Webhook.owner, order_by=(case((is_served, 0), else_=1), func.random()))
    seen = select(Webhook.id, Webhook.owner, is_served.label("is_served"), place.label("place"))
    found = seen.where(or_(is_served, and_(is_open, is_due))).subquery()
    has_place = or_(found.c.owner == "", found.c.place <= of_owner)
    query = select(found.c.id).where(not_(found.c.is_served), has_place).order_by(func.random()).limit(limit)
    return connection.scalars(query).all()


def claim_webhook(session: Session, lease: SendingLease, seconds: float) -> bool:
    """Whether the lease holds from now on. False where somebody else was faster."""
    is_free = or_(Webhook.lease_until.is_(None), Webhook.lease_until <= now(session))
    claim = update(Webhook).where(Webhook.id == lease.webhook_id, Webhook.disabled_at.is_(None), is_free)
    held = {"lease_token": lease.token, "lease_until": later(session, seconds)}
    return session.execute(claim.values(held).returning(Webhook.id)).one_or_none() is not None


def due_deliveries(session: Session, lease: SendingLease, *, limit: int) -> Batch | None:
    """The next messages of a webhook, in their order. None where there are none, or the lease is lost."""
    webhook = session.scalars(select(Webhook).where(lease.owned, Webhook.disabled_at.is_(None))).one_or_none()
    if webhook:
        _settle_sweeps(session, webhook)
    due = (Delivery.webhook_id == lease.webhook_id, Delivery.due_at <= now(session))
    query = select(Delivery).where(*due).order_by(Delivery.due_at, Delivery.id).limit(limit)
    deliveries = session.scalars(query).all() if webhook else ()
    return Batch(webhook, now(session), deliveries) if webhook and deliveries else None


def record_attempts(
    session: Session, lease: SendingLease, attempts: Sequence[Attempt], lease_seconds: float
) -> Webhook | None:
    """Write what came of messages, and extend the lease. The webhook as it is then; None where the lease is lost.

    Whether it is lost or not, what was accepted is not sent again: also where who sent it first was cut off, and notes
    later than another that it had no answer.
    """
    moment, is_well = now(session), any(attempt.error is None for attempt in attempts)
    for attempt in attempts:
        tried = {"attempts": Delivery.attempts + 1, "last_attempt_at": moment, "answered": attempt.answered}
        again = None if attempt.again_in is None else moment + timedelta(seconds=attempt.again_in)
        became = {"status": attempt.status, "error": attempt.error, "due_at": again}
        is_news = true() if attempt.error is None else Delivery.status == "waiting"
        session.execute(update(Delivery).where(Delivery.id == attempt.delivery_id, is_news).values(tried | became))
    since = None if is_well else func.coalesce(Webhook.failing_since, moment)
    held = {"lease_until": later(session, lease_seconds), "failing_since": since}
    return session.scalars(update(Webhook).where(lease.owned).values(held).returning(Webhook)).one_or_none()


def extend_leases(session: Session, token: UUID, webhook_ids: Collection[UUID], seconds: float) -> None:
    """Go on sending to those of these webhooks that have this token."""
    is_mine = (Webhook.id.in_(webhook_ids), Webhook.lease_token == token)
    session.execute(update(Webhook).where(*is_mine).values(lease_until=later(session, seconds)))


def leave_webhook(session: Session, lease: SendingLease, rest_seconds: float = 0.0) -> None:
    """Let others send to a webhook, when this many seconds have passed."""
    left = {"lease_token": None, "lease_until": later(session, rest_seconds)}
    session.execute(update(Webhook).where(lease.owned).values(left))


def leave_webhooks(session: Session, token: UUID) -> None:
    """Let others send to whatever has this token."""
    left = {"lease_token": None, "lease_until": None}
    session.execute(update(Webhook).where(Webhook.lease_token == token).values(left))


def _settle_sweeps(session: Session, webhook: Webhook) -> None:
    """Put messages in the place of empty ones, once for each sweep whose last job has ended.

    The transaction that ended it has left one, and is visible as a whole: whoever finds this one finds them all ended.
    """
    is_empty = (Delivery.webhook_id == webhook.id, Delivery.type == SWEEP_FINISHED, Delivery.body.is_(None))
    empty = session.execute(delete(Delivery).where(*is_empty).returning(Delivery.sweep_id, Delivery.created_at)).all()
    if not empty:
        return
    told_at = {row.sweep_id: row.created_at for row in sorted(empty, key=lambda row: row.created_at)}
    counts = count_jobs(session, list(told_at))
    ended = [sweep_id for sweep_id, number in counts.items() if not any(number.get(status) for status in OPEN)]
    rows = []
    for sweep in session.scalars(select(Sweep).where(Sweep.id.in_(ended))):
        moment = told_at[sweep.id]
        body = _body(sweep, counts[sweep.id], moment)
        rows.append(delivery_row(webhook, SWEEP_FINISHED, moment, sweep_id=sweep.id, body=body))
    if rows:
        insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
        session.execute(insert(Delivery).values(rows).on_conflict_do_nothing())


def _body(sweep: Sweep, counts: dict[str, int], moment: datetime) -> str:
    known: dict[str, Any] = {"id": sweep.id, "name": sweep.name, "metadata": labels_of(sweep.metadata_)}
    data = SweepMessage(**known, jobs=counts, created_at=sweep.created_at)
    return WebhookSweepMessage(type=SWEEP_FINISHED, timestamp=moment, data=data).model_dump_json()
