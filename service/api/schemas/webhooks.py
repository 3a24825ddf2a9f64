"""Answers about webhooks."""

from typing import Any

from service.store.tables import Delivery, Webhook
from slope.answers.webhooks import DeliveryView, NewWebhookView, WebhookView


def view_webhook(webhook: Webhook) -> WebhookView:
    return WebhookView(**_columns(webhook))


def view_new_webhook(webhook: Webhook) -> NewWebhookView:
    """With its secret, for whoever has just made it."""
    return NewWebhookView(**_columns(webhook), secret=webhook.secret)


def view_delivery(delivery: Delivery) -> DeliveryView:
    return DeliveryView(
        id=delivery.id,
        type=delivery.type,
        job_id=delivery.job_id,
        sweep_id=delivery.sweep_id,
        status=delivery.status,
        attempts=delivery.attempts,
        created_at=delivery.created_at,
        next_attempt_at=delivery.due_at,
        last_attempt_at=delivery.last_attempt_at,
        answered=delivery.answered,
        error=delivery.error,
    )


def _columns(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "events": webhook.told,
        "created_at": webhook.created_at,
        "enabled": webhook.disabled_at is None,
        "disabled_reason": webhook.disabled_reason,
        "failing_since": webhook.failing_since,
        "previous_secret_until": webhook.previous_until,
    }
