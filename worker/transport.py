"""How the worker takes messages from its broker, where kombu 5.7 and Celery 5.7 would stumble.

Whoever can write to the broker can leave anything there. A message that Celery cannot read would end the worker, and
come back when it starts again. So no message is handed on as it came: what names a job becomes a bell of our own
making, without the limits, times and successors that a message may have, and everything else is dropped.
"""

import json
from base64 import b64decode
from collections.abc import Callable
from reprlib import repr as excerpt
from typing import Any
from uuid import UUID

import structlog
from kombu.transport import redis, virtual
from kombu.utils.json import loads

from service.queue import TASK, bell, is_for_bells

log = structlog.get_logger()


class QoS(redis.QoS):
    """Counts a message as acknowledged even when the broker did not hear of it: a bell that rings twice does no harm.

    A worker takes a limited number of messages at a time, and kombu keeps counting one that it could not acknowledge.
    Every connection that broke at the wrong moment cost one of them: in the end the worker took no more messages.
    """

    def ack(self, delivery_tag: Any) -> None:
        try:
            super().ack(delivery_tag)
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Forget what was not acknowledged and is no message: kombu would end the worker, whenever it starts."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
            with self.channel.conn_or_acquire(client) as connection:
                connection.hdel(self.unacked_key, tag)
                connection.zrem(self.unacked_index_key, tag)
            log.warning("dropped what is no message among those not acknowledged", tag=excerpt(tag))


class Channel(redis.Channel):
    """Delivers nothing but bells from the queues that are there for them."""

    def basic_consume(self, queue: str, *arguments: Any, **options: Any) -> None:
        super().basic_consume(queue, *arguments, **options)
        if is_for_bells(queue):
            callbacks = self.connection._callbacks
            callbacks[queue] = _only_bells(callbacks[queue], queue)


def install_transport() -> None:
    redis.Channel.QoS = QoS
    redis.Transport.Channel = Channel
    redis.loads = _readable  # type: ignore[assignment, attr-defined]


def _readable(text: str) -> Any:
    """What a message says; None where it is no JSON, or nothing that kombu can make of JSON."""
    try:
        return loads(text)
    except Exception:  # whatever it was: the loop that reads the broker would end
        return None


def _only_bells(deliver: Callable[[Any], None], queue: str) -> Callable[[Any], None]:
    def sift(message: Any) -> None:
        job_id = _job_named_by(message)
        if job_id is None:
            log.warning("dropped a message that is no bell", queue=queue, message=excerpt(message))
        else:
            deliver(bell(job_id, queue))

    return sift


def _job_named_by(message: Any) -> UUID | None:
    try:
        if message["headers"]["task"] != TASK:
            return None
        is_encoded = message["properties"]["body_encoding"] == "base64"
        [job_id], _, _ = json.loads(b64decode(message["body"]) if is_encoded else message["body"])
        return UUID(job_id)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return None
