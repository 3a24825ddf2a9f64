"""Answers about webhooks, and the messages that they are sent."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from slope.answers.jobs import ErrorView, LossView
from slope.answers.view import View
from slope.spec.webhooks import JobEvent, SweepEvent, WebhookEvent
from slope.statuses import JobStatus

TrialEvent = Literal["webhook.test"]
MessageType = Literal[WebhookEvent, TrialEvent]
DeliveryStatus = Literal["waiting", "delivered", "failed"]


class WebhookView(View):
    id: UUID
    """By which calls name it."""
    name: str | None
    """What people call it."""
    url: str
    """Where messages are sent."""
    events: list[WebhookEvent]
    """What it is told of."""
    created_at: datetime
    """From when on it is told."""
    enabled: bool
    """Whether anything is sent."""
    disabled_reason: str | None
    """Why nothing is sent."""
    failing_since: datetime | None
    """Since when nothing was accepted; null where the last message was."""
    previous_secret_until: datetime | None
    """Until when messages are signed with the secret before, too."""


class NewWebhookView(WebhookView):
    """With its secret, which is shown this once."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    """What messages are signed with, as Standard Webhooks has it."""


class DeliveryView(View):
    """A message, and what became of it."""

    id: UUID
    """Also the message's `webhook-id`, each time it is sent."""
    type: MessageType
    """What it tells."""
    job_id: UUID | None
    """The job that it tells of. It may be deleted by now."""
    sweep_id: UUID | None
    """The sweep that it tells of, or that the job is of."""
    status: DeliveryStatus
    """Whether it was accepted, or is not sent any more."""
    attempts: int
    """How often it was sent."""
    created_at: datetime
    """When there was something to tell."""
    next_attempt_at: datetime | None
    """When it is sent again; null where it is not."""
    last_attempt_at: datetime | None
    """When it was sent last."""
    answered: int | None
    """The status of the last answer; null where there was none."""
    error: str | None
    """Why it was not accepted the last time."""


class JobMessage(View):
    """What is told of a job."""

    id: UUID
    """By which calls name it."""
    name: str | None
    """As its sender calls it."""
    status: JobStatus
    """Its new one."""
    sweep_id: UUID | None
    """The sweep it is a job of."""
    metadata: dict[str, str]
    """As its sender gave it."""
    epochs_done: int
    """How many epochs are recorded."""
    epochs: int
    """At most."""
    loss: LossView
    """How well it fits."""
    error: ErrorView | None
    """Why it failed."""
    created_at: datetime
    """When it was accepted."""
    started_at: datetime | None
    """When it first began to run."""
    finished_at: datetime | None
    """When it ended; null of a paused one."""


class SweepMessage(View):
    """What is told of a sweep."""

    id: UUID
    """By which calls name it."""
    name: str | None
    """As its sender calls it."""
    metadata: dict[str, str]
    """As its sender gave it."""
    jobs: dict[JobStatus, int]
    """How many jobs ended with each status."""
    created_at: datetime
    """When it was accepted."""


class TrialMessage(View):
    """What a test tells."""

    webhook_id: UUID
    """Which webhook is tried."""


class WebhookMessage(View):
    """The body of what is sent, as Standard Webhooks has it."""

    type: MessageType
    """What has happened."""
    timestamp: datetime
    """When it did."""


class WebhookJobMessage(WebhookMessage):
    """The body of what is sent about a job."""

    type: JobEvent
    """What has happened to the job."""
    data: JobMessage
    """What there is to know of the job."""


class WebhookSweepMessage(WebhookMessage):
    """The body of what is sent about a sweep."""

    type: SweepEvent
    """All of its jobs have ended."""
    data: SweepMessage
    """What there is to know of the sweep."""


class WebhookTrialMessage(WebhookMessage):
    """The body of what is sent to try a webhook."""

    type: TrialEvent
    """Somebody tries the webhook."""
    data: TrialMessage
    """Which webhook it is."""
