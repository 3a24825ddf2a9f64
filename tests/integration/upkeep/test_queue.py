"""The bell, on a real broker: what is rung waits in its device's queue, and a dead broker is told in time."""

import json
import socket
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from faults.proxy import Proxy
from redis import Redis
from structlog.testing import capture_logs
from workbench import at_once

import service.queue
from service.queue import TASK, CeleryQueue, celery_app, queue_for


def messages(broker_url: str, queue: str) -> list[Any]:
    """What waits in a queue, oldest first."""
    with Redis.from_url(broker_url.replace("redis+socket://", "unix://")) as client:
        return [json.loads(message) for message in client.lrange(queue, 0, -1)][::-1]


@pytest.fixture
def queue(broker_url: str) -> CeleryQueue:
    return CeleryQueue(celery_app(broker_url))


@pytest.fixture
def unreachable(tmp_path: Path) -> CeleryQueue:
    return CeleryQueue(celery_app(f"redis+socket://{tmp_path}/none.sock"))


@pytest.mark.parametrize(
    ("device", "name"),
    [("auto", "slope.cpu"), ("cpu", "slope.cpu"), ("cuda", "slope.cuda"), ("cuda:1", "slope.cuda:1")],
)
def test_a_bell_waits_where_the_workers_with_the_device_listen(
    queue: CeleryQueue, broker_url: str, device: str, name: str
) -> None:
    assert queue.waiting(device) == 0

    assert queue.ring(uuid4(), device) is True

    assert queue_for(device) == name
    assert queue.waiting(device) == len(messages(broker_url, name)) == 1


def test_as_many_bells_wait_as_there_are_slots_however_often_it_is_rung(queue: CeleryQueue, broker_url: str) -> None:
    for _ in range(3):
        assert queue.ring_slots([uuid4(), uuid4(), uuid4()], "auto", 2) is True

    assert queue.waiting("auto") == 4  # two of the first, and one of each of the others: nobody has heard any


def test_jobs_wake_no_more_slots_than_they_are(queue: CeleryQueue, broker_url: str) -> None:
    assert queue.ring_slots([uuid4()], "auto", 8) is True
    assert queue.waiting("auto") == 1


def test_what_is_prepared_rings_without_another_connection(queue: CeleryQueue, broker_url: str) -> None:
    queue.prepare()
    with Redis.from_url(broker_url.replace("redis+socket://", "unix://")) as client:
        before = client.info("stats")["total_connections_received"]
        assert queue.ring(uuid4(), "auto") is True
        assert client.info("stats")["total_connections_received"] == before


def test_a_broker_that_is_away_is_no_hindrance_to_prepare(unreachable: CeleryQueue) -> None:
    unreachable.prepare()
    assert unreachable.ring(uuid4(), "auto") is False


def test_a_bell_says_which_job_and_nothing_more(queue: CeleryQueue, broker_url: str) -> None:
    job_ids = [uuid4(), uuid4()]
    for job_id in job_ids:
        queue.ring(job_id, "auto")

    for job_id, message in zip(job_ids, messages(broker_url, "slope.cpu"), strict=True):
        assert message["content-type"] == "application/json"
        assert message["headers"]["task"] == TASK
        arguments, keywords, _ = json.loads(b64decode(message["body"]))
        assert [UUID(argument) for argument in arguments] == [job_id]
        assert keywords == {}


def test_a_broker_that_answers_is_reachable(queue: CeleryQueue) -> None:
    assert queue.is_reachable()


def test_a_broker_that_is_down_is_told(unreachable: CeleryQueue) -> None:
    assert unreachable.ring(uuid4(), "auto") is False
    assert unreachable.is_reachable() is False


def test_a_connection_to_the_broker_whose_cable_is_pulled_has_few_seconds_to_live(broker_url: str) -> None:
    with Proxy(broker_url.removeprefix("redis+socket://")) as proxy:
        app = celery_app(f"redis://127.0.0.1:{proxy.port}/0")
        with app.connection_for_write() as connection:
            client = connection.default_channel.client
            raw = client.connection_pool.get_connection()._sock
            limits = [raw.getsockopt(socket.IPPROTO_TCP, name) for name in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL)]
            longest = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)

    assert (limits, longest, raw.gettimeout()) == ([2, 1], 5000, 5.0)


def test_limits_of_sockets_in_the_broker_s_url_come_first() -> None:
    app = celery_app("redis://:secret@broker:6379/3?socket_timeout=0.5&ssl_cert_reqs=none")

    assert app.conf.broker_url == "redis://:secret@broker:6379/3?ssl_cert_reqs=none"
    options = app.conf.broker_transport_options
    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (0.5, 2.0)


@pytest.fixture
def far(broker_url: str) -> Iterator[tuple[CeleryQueue, Proxy]]:
    """The bell, and the way to its broker."""
    with Proxy(broker_url.removeprefix("redis+socket://")) as proxy:
        yield CeleryQueue(celery_app(f"redis://127.0.0.1:{proxy.port}/0")), proxy


def test_after_a_ring_that_failed_nobody_waits_for_the_broker(
    far: tuple[CeleryQueue, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, proxy = far
    monkeypatch.setattr(service.queue, "_REST_SECONDS", 600.0)

    proxy.hold()
    with capture_logs() as logged:
        assert at_once(30, lambda _: queue.ring(uuid4(), "auto")) == [False] * 30
        proxy.let_go()
        assert queue.ring(uuid4(), "auto") is False

    assert [line["event"] for line in logged] == ["bell not rung: jobs wait for the reaper"]


def test_it_is_rung_again_after_a_rest_on_new_connections(
    far: tuple[CeleryQueue, Proxy], broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, proxy = far
    monkeypatch.setattr(service.queue, "_REST_SECONDS", 0.0)
    assert at_once(5, lambda _: queue.ring(uuid4(), "auto")) == [True] * 5

    proxy.cut()
    assert queue.ring(uuid4(), "auto") is False

    assert at_once(5, lambda _: queue.ring(uuid4(), "auto")) == [True] * 5, (
        "none of the connections from before is used"
    )
