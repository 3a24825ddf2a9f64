"""What the worker hears on a real broker: bells, whatever else lies in their queues."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kombu import Connection, Consumer, Queue
from kombu.transport import redis as transport
from poison import NO_BELLS, ODD_BELLS, bell
from redis import Redis
from structlog.testing import capture_logs

from service.queue import CeleryQueue, celery_app
from worker.transport import install_transport

Hear = Callable[[], list[UUID]]


@pytest.fixture
def broker(broker_url: str) -> Iterator[Redis]:
    with Redis.from_url(broker_url.replace("redis+socket://", "unix://")) as client:
        yield client


@pytest.fixture
def hear(broker: Redis, broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hear]:
    """Ring for a job and listen until its bell is heard: all jobs whose bells were heard before."""
    for name in ("loads", "Channel"):
        monkeypatch.setattr(transport, name, getattr(transport, name))  # so that it is put back
    monkeypatch.setattr(transport.Channel, "QoS", transport.Channel.QoS)
    monkeypatch.setattr(transport.Transport, "Channel", transport.Transport.Channel)
    install_transport()
    app, heard = celery_app(broker_url), list[UUID]()

    def note(body: Any, message: Any) -> None:
        [job_id], _, _ = body
        heard.append(UUID(job_id))
        message.ack()

    def hear() -> list[UUID]:
        CeleryQueue(app).ring(last := uuid4(), "auto")
        heard.clear()
        while last not in heard:
            connection.drain_events(timeout=10)
        assert broker.hlen("unacked") == 0
        return heard[:-1]

    with (
        Connection(app.conf.broker_url, transport_options=app.conf.broker_transport_options) as connection,
        Consumer(connection, [Queue("slope.cpu")], callbacks=[note], accept=["json"]),
    ):
        yield hear


@pytest.mark.parametrize("message", NO_BELLS.values(), ids=NO_BELLS)
def test_what_is_no_bell_is_dropped_and_told(broker: Redis, hear: Hear, message: bytes) -> None:
    broker.lpush("slope.cpu", message)

    with capture_logs() as told:
        assert hear() == []

    [entry] = told
    assert entry["event"] == "dropped a message that is no bell"
    assert len(str(entry)) < 1000
    assert broker.llen("slope.cpu") == 0


@pytest.mark.parametrize("message", ODD_BELLS.values(), ids=ODD_BELLS)
def test_of_a_bell_nothing_is_taken_but_the_job(broker: Redis, hear: Hear, message: bytes) -> None:
    broker.lpush("slope.cpu", message)

    assert len(hear()) == 1


@pytest.mark.parametrize(
    "entry", ["x", "null", "[1, 2]", "[[], {}, 3]", "[1, {}, {}]", "[{}, 1, 2]", "\udcff"], ids=ascii
)
def test_what_was_not_acknowledged_and_is_no_message_is_forgotten(
    broker: Redis, broker_url: str, hear: Hear, entry: str
) -> None:
    broker.hset("unacked", "tag", entry.encode("utf-8", "surrogateescape"))
    broker.zadd("unacked_index", {"tag": 0})

    with Connection(broker_url) as connection:
        connection.channel().qos.restore_visible(interval=1)

    assert broker.hlen("unacked") == broker.zcard("unacked_index") == 0
    assert hear() == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["body", "content-type", "content-encoding", "headers", "properties"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=40) | JSON.map(json.dumps) | st.dictionaries(NAMES, JSON).map(lambda c: json.dumps(bell(**c)))
)
def test_whatever_lies_in_the_queue_the_next_bell_is_heard(broker: Redis, hear: Hear, message: bytes | str) -> None:
    broker.lpush("slope.cpu", message.encode(errors="replace") if isinstance(message, str) else message)

    assert len(hear()) <= 1
