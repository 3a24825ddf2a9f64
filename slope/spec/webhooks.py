"""Addresses that are told when something ends, and of what."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from slope.spec.faults import in_words
from slope.spec.job import Name
from slope.spec.part import FewFaults, Part

JobEvent = Literal["job.succeeded", "job.failed", "job.cancelled", "job.paused"]
SweepEvent = Literal["sweep.finished"]
WebhookEvent = Literal[JobEvent, SweepEvent]
MAX_OVERLAP = 7 * 86_400
_LONGEST = 2_000
_ADVICE = "Give the address of a host by http or https, in ASCII and without spaces, as in https://example.org/slope"


def _refuse_other_addresses(url: str) -> str:
    """Raise ValueError for what nothing can be sent to, or shows a password to whoever lists webhooks."""
    try:
        parts = urlsplit(url)
        is_sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound:
        raise ValueError(_ADVICE)
    if "@" in parts.netloc:
        raise ValueError("Leave name and password out of the address: the signature says who sends")
    if "#" in url:
        raise ValueError("Leave out what follows the #: it is not sent")
    return url


Address = Annotated[
    str,
    Field(max_length=_LONGEST, pattern=in_words(r"^https?://[!-~]+$", _ADVICE), examples=["https://example.org/slope"]),
    AfterValidator(_refuse_other_addresses),
]
Events = Annotated[list[WebhookEvent], Field(min_length=1, max_length=20, examples=[["job.failed"]]), FewFaults]


class WebhookRequest(Part):
    """Who is to be told of what."""

    url: Address
    """Where messages are sent, by POST: http or https, in ASCII."""
    events: Events
    """What it is told of."""
    name: Name | None = None
    """What people call it."""


class WebhookChange(Part):
    """What it does not name stays."""

    url: Address | None = None
    """Where messages are sent from now on, also those that wait."""
    events: Events | None = None
    """What it is told of from now on."""
    name: Name | None = None
    """What people call it."""
    enabled: bool | None = None
    """False: nothing is sent or noted from now on. True: what still waits is sent, too."""


class SecretRotation(Part):
    """How the old secret goes."""

    overlap_seconds: float = Field(default=86_400, ge=0, le=MAX_OVERLAP)
    """For how long messages are signed with the old one, too."""
