"""What can be done with webhooks: the decisions and the commits."""

from collections.abc import Sequence
from datetime import timedelta
from time import monotonic, sleep
from uuid import UUID

from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from service.errors import DeliveryNotFound, TooManyWebhooks, WebhookIsDisabled, WebhookNotFound
from service.settings import Settings
from service.store import outbox, webhooks
from service.store.database import Database, now, owner_of
from service.store.tables import Delivery, Webhook
from service.webhooks.destinations import refuse_private_url
from service.webhooks.signatures import new_secret
from slope.answers.webhooks import DeliveryStatus, TrialEvent, TrialMessage, WebhookTrialMessage
from slope.spec.webhooks import WebhookChange, WebhookRequest

MOST = 20
"""Webhooks of an owner."""
TEST: TrialEvent = "webhook.test"
_MOST_REMOVED = 5_000
"""Messages that one transaction deletes."""


def create_webhook(database: Database, settings: Settings, request: WebhookRequest) -> Webhook:
    """With its secret. Raises InvalidRequest for an address that is private as it is written, and TooManyWebhooks."""
    _check_url(settings, request.url)
    with database.writing() as session:
        owner = owner_of(session)
        if webhooks.count_webhooks(session, owner) >= MOST:
            raise TooManyWebhooks(MOST)
        webhook = Webhook(
            id=uuid7(),
            owner=owner,
            created_at=now(session),
            name=request.name,
            url=request.url,
            events=sorted(set(request.events)),
            secret=new_secret(),
        )
        webhooks.add_webhook(session, webhook)
        session.commit()
    return webhook


def get_webhook(session: Session, webhook_id: UUID, *, lock: bool = False) -> Webhook:
    """Raises WebhookNotFound."""
    found = webhooks.find_webhook(session, webhook_id, lock=lock)
    if found is None:
        raise WebhookNotFound(webhook_id)
    return found


def list_webhooks(session: Session, *, before: UUID | None, limit: int) -> tuple[list[Webhook], UUID | None]:
    """Newest first, and where the next page goes on."""
    found = webhooks.select_webhooks(session, before=before, limit=limit + 1)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def edit_webhook(database: Database, settings: Settings, webhook_id: UUID, change: WebhookChange) -> Webhook:
    """Raises WebhookNotFound, and InvalidRequest for an address that is private as it is written."""
    if change.url is not None:
        _check_url(settings, change.url)
    with database.writing() as session:
        webhook = get_webhook(session, webhook_id, lock=True)
        webhook.url = change.url or webhook.url
        webhook.events = sorted(set(change.events)) if change.events else webhook.events
        webhook.name = change.name if "name" in change.model_fields_set else webhook.name
        if change.enabled is not None:
            _enable(webhook, session, is_enabled=change.enabled)
        session.commit()
    return webhook


def delete_webhook(database: Database, webhook_id: UUID) -> None:
    """First the webhook, so that nothing more is noted or sent, and then its messages, some in each transaction.

    Where this process ends meanwhile, those that are left go when they are old enough.
    """
    with database.writing() as session:
        get_webhook(session, webhook_id, lock=True)
        webhooks.remove_webhook(session, webhook_id)
        session.commit()
    some = _MOST_REMOVED
    while some == _MOST_REMOVED:
        started = monotonic()
        with database.writing() as session:
            some = webhooks.remove_deliveries(session, webhook_id, _MOST_REMOVED)
            session.commit()
        sleep(monotonic() - started)  # SQLite gives the next turn to whoever asks at the right moment


def rotate_secret(database: Database, webhook_id: UUID, overlap_seconds: float) -> Webhook:
    """Sign by a new secret from now on, and by the one before for a while."""
    with database.writing() as session:
        webhook = get_webhook(session, webhook_id, lock=True)
        webhook.previous_secret, webhook.secret = webhook.secret, new_secret()
        webhook.previous_until = now(session) + timedelta(seconds=overlap_seconds)
        session.commit()
    return webhook


def send_test(database: Database, webhook_id: UUID) -> Delivery:
    """Raises WebhookIsDisabled."""
    with database.writing() as session:
        webhook, moment = _enabled_webhook(session, webhook_id), now(session)
        message = WebhookTrialMessage(type=TEST, timestamp=moment, data=TrialMessage(webhook_id=webhook_id))
        row = outbox.delivery_row(webhook, TEST, moment, body=message.model_dump_json())
        outbox.add_deliveries(session, [row])
        session.commit()
    return Delivery(**row)


def list_deliveries(
    session: Session,
    webhook_id: UUID,
    *,
    status: DeliveryStatus | None,
    before: UUID | None,
    limit: int,
) -> tuple[Sequence[Delivery], UUID | None]:
    """Newest first, and where the next page goes on."""
    get_webhook(session, webhook_id)
    found = webhooks.select_deliveries(session, webhook_id, status=status, before=before, limit=limit + 1)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def send_again(database: Database, webhook_id: UUID, delivery_id: UUID) -> Delivery:
    """Whatever became of it: the same message. Raises DeliveryNotFound and WebhookIsDisabled."""
    with database.writing() as session:
        _enabled_webhook(session, webhook_id)
        delivery = webhooks.find_delivery(session, webhook_id, delivery_id)
        if delivery is None:
            raise DeliveryNotFound(delivery_id)
        webhooks.send_delivery_again(session, delivery_id)
        session.refresh(delivery)
        session.commit()
    return delivery


def _enabled_webhook(session: Session, webhook_id: UUID) -> Webhook:
    webhook = get_webhook(session, webhook_id)
    if webhook.disabled_at:
        raise WebhookIsDisabled(webhook.disabled_reason or "")
    return webhook


def _enable(webhook: Webhook, session: Session, *, is_enabled: bool) -> None:
    if is_enabled:
        webhook.disabled_at = webhook.disabled_reason = webhook.failing_since = webhook.lease_until = None
    elif webhook.disabled_at is None:
        webhook.disabled_at, webhook.disabled_reason = now(session), "It was disabled by a call"


def _check_url(settings: Settings, url: str) -> None:
    if not settings.webhooks_allow_private:
        refuse_private_url(url)
