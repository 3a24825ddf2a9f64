"""An API with few descriptors, or no memory left, and clients that take all they can get. It answers all the same."""

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest

from e2e.jobs import request
from e2e.services import Api, Cluster
from slope.client import Client

FILES = 300
"""Descriptors of the API: 128 are for files, the database and the broker."""
SLOW = 500


@pytest.fixture(scope="module")
def api(_cluster: Cluster) -> Api:
    return _cluster.add_api(most_files=FILES).until_ready()


@pytest.fixture(autouse=True)
def is_the_same_afterwards(api: Api) -> Iterator[None]:
    yield
    api.until_ready()
    assert api.program.process.poll() is None


def connected(api: Api, sends: bytes) -> socket.socket:
    parts = urlsplit(api.url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=30)
    connection.sendall(sends)
    return connection


def test_500_slow_connections_leave_the_api_answering(api: Api, client: Client) -> None:
    with ExitStack() as slow, httpx2.Client(base_url=api.url, timeout=30) as other:
        for number in range(SLOW):
            half = (b"GET /v1/jobs HTTP/1.1\r\nHo", b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Le")
            slow.enter_context(connected(api, half[number % 2]))
        accepted = other.post("/v1/jobs", json=request())
        assert accepted.status_code == 202
        assert other.get(f"/v1/jobs/{accepted.json()['id']}").status_code == 200
    client.wait(accepted.json()["id"])


def test_more_streams_than_descriptors_are_answered_503_and_the_first_go_on(api: Api, client: Client) -> None:
    job_id = client.submit(request() | {"device": "cuda:99"}).id
    asks = (
        b"GET /v1/jobs/%b/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
        % str(job_id).encode()
    )
    with ExitStack() as streams:
        opened = [streams.enter_context(connected(api, asks)) for _ in range(FILES)]
        told = Counter(_status(each) for each in opened)
        assert told[b"200"] > FILES / 4
        assert told[b"503"] > 0
        assert set(told) <= {b"200", b"503", b""}  # one that comes while a hundred are refused may only be closed
        client.cancel(job_id)
        assert all(b"cancelled" in _rest(each) for each in opened[:20])


def test_a_request_for_which_there_is_no_memory_is_answered_503(api: Api) -> None:
    with httpx2.Client(base_url=api.url, timeout=60) as other, _no_memory_left(api):
        told = other.post("/v1/jobs", content=b"[" + b"1," * 25_000_000, headers={"Content-Type": "application/json"})
        assert told.status_code == 503, told.text
        assert told.headers["retry-after"]


def _status(connection: socket.socket) -> bytes:
    try:
        return connection.recv(12)[9:]
    except ConnectionError:
        return b""


def _rest(connection: socket.socket) -> bytes:
    """All that comes until the stream has ended."""
    told = b""
    while not told.endswith(b"0\r\n\r\n") and (piece := connection.recv(65_536)):
        told += piece
    return told


@contextmanager
def _no_memory_left(api: Api) -> Iterator[None]:
    """The process gets some megabytes more of the system, and nothing further."""
    process = psutil.Process(api.program.pid)
    soft, hard = process.rlimit(psutil.RLIMIT_AS)
    process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + 20_000_000, hard))
    try:
        yield
    finally:
        process.rlimit(psutil.RLIMIT_AS, (soft, hard))
