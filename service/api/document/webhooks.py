"""The section `webhooks` of the OpenAPI document: what Slope sends, from the models that the messages are made by."""

import json
from pathlib import Path
from typing import Any, get_args

from slope.answers.webhooks import (
    MessageType,
    TrialEvent,
    WebhookJobMessage,
    WebhookMessage,
    WebhookSweepMessage,
    WebhookTrialMessage,
)
from slope.spec.webhooks import JobEvent, SweepEvent

Json = dict[str, Any]

MESSAGES = Path(__file__).with_name("messages.json")
"""Messages that were sent, by their type: tests/integration/webhooks/test_examples.py sends them again."""
BODIES: dict[MessageType, type[WebhookMessage]] = (
    dict.fromkeys(get_args(JobEvent), WebhookJobMessage)
    | dict.fromkeys(get_args(SweepEvent), WebhookSweepMessage)
    | dict.fromkeys(get_args(TrialEvent), WebhookTrialMessage)
)
"""What is sent, by its type."""
_SUMMARIES: dict[MessageType, str] = {
    "job.succeeded": "A job has succeeded",
    "job.failed": "A job has failed",
    "job.cancelled": "A job was cancelled",
    "job.paused": "A job is paused",
    "sweep.finished": "All jobs of a sweep have ended",
    "webhook.test": "Somebody tries the webhook",
}
_DESCRIPTION = (
    "Sent by POST to the `url` of every webhook that is told of it, at least once: `webhook-id` says whether it came"
    " before. Signed by the rules of Standard Webhooks: check the signature over the bytes as they came before you"
    " believe it."
)
_HEADERS: dict[str, tuple[Json, str]] = {
    "webhook-id": (
        {"type": "string", "format": "uuid"},
        "Of the message, the same each time it is sent; its `id` among the deliveries of the webhook",
    ),
    "webhook-timestamp": (
        {"type": "string", "pattern": "^[0-9]+$"},
        "When it is sent, in seconds since 1970: refuse what is older than a few minutes",
    ),
    "webhook-signature": (
        {"type": "string", "pattern": "^v1,[A-Za-z0-9+/]{43}=( v1,[A-Za-z0-9+/]{43}=)?$"},
        "HMAC-SHA256 of `{webhook-id}.{webhook-timestamp}.{body}` by the secret of the webhook, in Base64 behind `v1,`;"
        " while the secret rotates one by each of the two, with a space between them",
    ),
}
_ANSWERS: Json = {
    "2XX": {"description": "Accepted, within 10 seconds. The body of the answer is not read"},
    "410": {"description": "There is no receiver any more: the webhook is disabled"},
    "default": {
        "description": "Not accepted: it is sent again after 5 seconds, and then for a day, ever more seldom."
        " Redirects are not followed. `Retry-After` of a 429 or 503 is heard, up to an hour"
    },
}


def describe_webhooks(reference: str) -> Json:
    """The section; `reference` has a place for the name of a model."""
    sent = json.loads(MESSAGES.read_bytes())
    return {message: {"post": _operation(message, reference, sent[message])} for message in BODIES}


def _operation(message: MessageType, reference: str, sent: Json) -> Json:
    schema = {"$ref": reference.format(model=BODIES[message].__name__)}
    return {
        "operationId": f"tell_{message.replace('.', '_')}",
        "summary": _SUMMARIES[message],
        "description": _DESCRIPTION,
        "tags": ["webhooks"],
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": description,
                "schema": schema_of_header,
                "example": sent["headers"][name],
            }
            for name, (schema_of_header, description) in _HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": sent["body"]}},
        },
        "responses": _ANSWERS,
    }
