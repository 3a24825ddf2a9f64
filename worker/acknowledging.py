"""Keeps a worker from going deaf: kombu 5.7 never frees the place of a message that it could not acknowledge.

A worker takes as many messages as it has places. One was lost with every connection that broke at the wrong moment.
"""

from typing import Any

from kombu.transport import redis, virtual


class QoS(redis.QoS):
    """Counts a message as acknowledged even when the broker could not be told: a bell that rings twice does no harm."""

    def ack(self, delivery_tag: Any) -> None:
        try:
            super().ack(delivery_tag)
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise


def install() -> None:
    redis.Channel.QoS = QoS
