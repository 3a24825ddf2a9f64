"""Routes for webhooks, and for what they are sent."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from service.api.dependencies import After, DatabaseDep, Limit, SessionDep, SettingsDep, require_json
from service.api.schemas.webhooks import view_delivery, view_new_webhook, view_webhook
from service.webhooks import webhooks
from slope.answers.view import Page
from slope.answers.webhooks import DeliveryStatus, DeliveryView, NewWebhookView, WebhookView
from slope.spec.webhooks import SecretRotation, WebhookChange, WebhookRequest

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


@router.post("", status_code=201, dependencies=[Depends(require_json)])
def create_webhook(
    request: WebhookRequest, database: DatabaseDep, settings: SettingsDep, response: Response
) -> NewWebhookView:
    """Let an address be told when jobs and sweeps end, by signed messages (Standard Webhooks).

    Its secret is shown this once: it is what the receiver checks signatures with.
    """
    webhook = webhooks.create_webhook(database, settings, request)
    response.headers["Location"] = f"{settings.root_path}/v1/webhooks/{webhook.id}"
    return view_new_webhook(webhook)


@router.get("")
def list_webhooks(session: SessionDep, after: After = None, limit: Limit = 50) -> Page[WebhookView]:
    """Webhooks, newest first."""
    found, following = webhooks.list_webhooks(session, before=after, limit=limit)
    return Page(data=list(map(view_webhook, found)), next=str(following) if following else None)


@router.get("/{webhook_id}")
def get_webhook(webhook_id: UUID, session: SessionDep) -> WebhookView:
    """A webhook as it stands, without its secret."""
    return view_webhook(webhooks.get_webhook(session, webhook_id))


@router.patch("/{webhook_id}", dependencies=[Depends(require_json)])
def change_webhook(
    webhook_id: UUID, change: WebhookChange, database: DatabaseDep, settings: SettingsDep
) -> WebhookView:
    """Change where messages go or what they tell, or stop them for a while: what the body does not name stays."""
    return view_webhook(webhooks.edit_webhook(database, settings, webhook_id, change))


@router.delete("/{webhook_id}", status_code=204)
def delete_webhook(webhook_id: UUID, database: DatabaseDep) -> None:
    """Delete a webhook with all of its messages, also those that wait."""
    webhooks.delete_webhook(database, webhook_id)


@router.post("/{webhook_id}/rotate", dependencies=[Depends(require_json)])
def rotate_webhook_secret(webhook_id: UUID, rotation: SecretRotation, database: DatabaseDep) -> NewWebhookView:
    """Make a new secret, which is shown this once. For a while messages are signed with both."""
    return view_new_webhook(webhooks.rotate_secret(database, webhook_id, rotation.overlap_seconds))


@router.post("/{webhook_id}/test", status_code=202)
def try_webhook(webhook_id: UUID, database: DatabaseDep) -> DeliveryView:
    """Send a message of type `webhook.test`, once. What came of it is among the deliveries a second later."""
    return view_delivery(webhooks.send_test(database, webhook_id))


@router.get("/{webhook_id}/deliveries")
def list_deliveries(
    webhook_id: UUID,
    session: SessionDep,
    status: Annotated[DeliveryStatus | None, Query(description="Only those with this status")] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[DeliveryView]:
    """What a webhook was sent and what became of it, newest first."""
    found, following = webhooks.list_deliveries(session, webhook_id, status=status, before=after, limit=limit)
    return Page(data=list(map(view_delivery, found)), next=str(following) if following else None)


@router.post("/{webhook_id}/deliveries/{delivery_id}/send", status_code=202)
def send_again(webhook_id: UUID, delivery_id: UUID, database: DatabaseDep) -> DeliveryView:
    """Send a message again now, with the same `webhook-id`, and with all of its attempts before it."""
    return view_delivery(webhooks.send_again(database, webhook_id, delivery_id))
