"""Errors about webhooks."""

from uuid import UUID

from service.errors.base import ServiceError


class WebhookNotFound(ServiceError):
    """There is no webhook with this id: it was deleted, or never was. `GET /v1/webhooks` lists all."""

    status = 404
    type = "webhook-not-found"
    title = "There is no such webhook"

    def __init__(self, webhook_id: UUID) -> None:
        super().__init__(f"There is no webhook {webhook_id}: GET /v1/webhooks lists those there are")


class DeliveryNotFound(ServiceError):
    """The webhook has no message with this id: old ones are deleted. `GET /v1/webhooks/{id}/deliveries` lists all."""

    status = 404
    type = "delivery-not-found"
    title = "There is no such message"

    def __init__(self, delivery_id: UUID) -> None:
        super().__init__(f"This webhook has no message {delivery_id}: GET /v1/webhooks/{{id}}/deliveries lists them")


class WebhookIsDisabled(ServiceError):
    """Nothing is sent to a webhook that is disabled: `disabled_reason` says why it is. Enable it by PATCH with
    `{"enabled": true}`, and ask again."""

    status = 409
    type = "webhook-is-disabled"
    title = "The webhook is disabled"

    def __init__(self, reason: str) -> None:
        super().__init__(f'The webhook is disabled ({reason}): enable it by PATCH with {{"enabled": true}}')


class TooManyWebhooks(ServiceError):
    """There are as many webhooks as one may have: every job that ends is told to each. Delete one."""

    status = 409
    type = "too-many-webhooks"
    title = "There are too many webhooks"

    def __init__(self, most: int) -> None:
        super().__init__(f"There are {most} webhooks, and no more are taken: delete one")
