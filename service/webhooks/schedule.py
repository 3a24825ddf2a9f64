"""When a message is sent again, when it is given up, and when its webhook is."""

from datetime import datetime, timedelta
from random import random
from typing import TYPE_CHECKING

from service.store.deliveries import Attempt
from service.store.tables import Delivery, Webhook
from service.webhooks.webhooks import TEST

if TYPE_CHECKING:
    from service.webhooks.sending import Answer  # needs what only a process loads that has something to send

_MINUTE, _HOUR = 60.0, 3600.0
DELAYS = (5.0, _MINUTE, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 8 * _HOUR, 9 * _HOUR)
"""Seconds after each failure until the next attempt: a day in all."""
_JITTER = 0.2
_LONGEST_WISH = _HOUR
"""For how long a receiver can ask to be left in peace."""
_SHORTEST_REST, _LONGEST_REST = 5.0, 5 * _MINUTE
_PATIENCE = timedelta(days=3)
GONE = 410


def attempt_of(delivery: Delivery, answer: "Answer") -> Attempt:
    """What becomes of a message by an answer. A test is sent once."""
    is_last = delivery.attempts >= len(DELAYS) or delivery.type == TEST or answer.status == GONE
    if answer.error is None or is_last:
        return Attempt(delivery.id, answer.status, answer.error)
    delay = DELAYS[delivery.attempts] * (1 + _JITTER * random())  # noqa: S311
    again_in = max(delay, min(answer.retry_after, _LONGEST_WISH))
    return Attempt(delivery.id, answer.status, answer.error, again_in)


def rest_seconds(webhook: Webhook, moment: datetime, wish: float) -> float:
    """How long nothing is sent to a webhook that accepts nothing: longer, the longer that lasts."""
    lasted = (moment - webhook.failing_since).total_seconds() if webhook.failing_since else 0.0
    return max(min(max(lasted, _SHORTEST_REST), _LONGEST_REST), min(wish, _LONGEST_WISH))


def reason_to_disable(webhook: Webhook, moment: datetime, attempts: list[Attempt]) -> str | None:
    """Why nothing is to be sent there any more: its receiver says so, or accepts nothing for days."""
    if any(attempt.answered == GONE for attempt in attempts):
        return f"It answered {GONE}: there is no receiver any more"
    given_up = [attempt for attempt in attempts if attempt.status == "failed"]
    if given_up and webhook.failing_since and moment - webhook.failing_since >= _PATIENCE:
        return f"It has accepted nothing since {webhook.failing_since:%Y-%m-%d %H:%M} UTC. {given_up[-1].error}"
    return None
