"""Every call about webhooks, said once for both clients."""

from collections.abc import Sequence
from typing import Any

from slope.answers.webhooks import DeliveryView, NewWebhookView, WebhookView
from slope.client.exchange.exchange import Call, Id, Listing, ask, change, given, send

_PATH = "/v1/webhooks"


def create_webhook(url: str, events: Sequence[str], *, name: str | None = None) -> Call[NewWebhookView]:
    """Let an address be told of these events. Keep the `secret`: it is shown this once."""
    return change(NewWebhookView, "POST", _PATH, json={"url": url, "events": list(events), **given(name=name)})


def webhooks() -> Listing[WebhookView]:
    """All webhooks, newest first, page by page."""
    return Listing.of(WebhookView, _PATH)


def webhook(webhook_id: Id) -> Call[WebhookView]:
    """A webhook as it stands."""
    return ask(WebhookView, f"{_PATH}/{webhook_id}")


def change_webhook(webhook_id: Id, **values: Any) -> Call[WebhookView]:
    """Change `url`, `events`, `name` or `enabled`; what is not named stays."""
    return change(WebhookView, "PATCH", f"{_PATH}/{webhook_id}", json=values)


def delete_webhook(webhook_id: Id) -> Call[None]:
    """Delete a webhook with all of its messages."""
    return send("DELETE", f"{_PATH}/{webhook_id}")


def rotate_webhook_secret(webhook_id: Id, *, overlap_seconds: float = 86_400) -> Call[NewWebhookView]:
    """Make a new `secret`, which is shown this once. For a while messages are signed with both."""
    return change(NewWebhookView, "POST", f"{_PATH}/{webhook_id}/rotate", json={"overlap_seconds": overlap_seconds})


def try_webhook(webhook_id: Id) -> Call[DeliveryView]:
    """Send a message of type `webhook.test`, once."""
    return change(DeliveryView, "POST", f"{_PATH}/{webhook_id}/test")


def deliveries(webhook_id: Id, *, status: str | None = None) -> Listing[DeliveryView]:
    """What a webhook was sent and what became of it, newest first, page by page."""
    return Listing.of(DeliveryView, f"{_PATH}/{webhook_id}/deliveries", given(status=status))


def send_again(webhook_id: Id, delivery_id: Id) -> Call[DeliveryView]:
    """Send a message again now: the same one, with the same `webhook-id`."""
    return change(DeliveryView, "POST", f"{_PATH}/{webhook_id}/deliveries/{delivery_id}/send")
