"""What of a connection reaches the application, and what is refused before: real sockets, and time as a test tells."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs
from uvicorn.config import Config
from uvicorn.server import ServerState

from service.api.guards.bounds import Bounds, bounds_of
from service.api.guards.flow import UNREAD_SECONDS
from service.api.guards.http1 import LINGER_SECONDS, MAX_HEAD, MAX_PIPELINED, BoundedProtocol
from service.api.guards.places import Places, network_of
from service.settings import Settings

SECONDS = 10
LIMIT = 120.0
"""Many times what anything takes."""
POST = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n"
GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
HOLD = b"GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass
class Service:
    """An application that answers with the body that it gets, and holds `/hold` until it is let go."""

    bounds: Bounds
    state: ServerState = field(default_factory=ServerState)
    seen: list[bytes] = field(default_factory=list)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    clients: list["Client"] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected.set()
                return
            body, more = body + message["body"], message["more_body"]
        self.seen.append(body)
        if scope["path"] == "/hold":
            await self.let_go.wait()
        size = [] if scope["path"] == "/stream" else [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": size})
        await send({"type": "http.response.body", "body": body[:3], "more_body": True})
        await send({"type": "http.response.body", "body": body[3:]})

    def tick(self, seconds: int) -> None:
        for _ in range(seconds):
            for connection in list(self.state.connections):
                cast(BoundedProtocol, connection).tick()

    async def client(self, address: str = "127.0.0.1") -> "Client":
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))
        client, name = Client(reader, writer), writer.get_extra_info("sockname")
        self.clients.append(client)
        await self.until(lambda: name in {cast(BoundedProtocol, each).client for each in self.state.connections})
        return client

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT):
            while not holds():
                await asyncio.sleep(0.001)


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def sends(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(LIMIT):
            status, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            return int(status.split()[1]), headers, await self.reader.readexactly(int(headers["content-length"]))

    async def problem(self, status: int) -> dict[str, Any]:
        told, headers, body = await self.answer()
        assert told == status, body
        assert headers["content-type"] == "application/problem+json"
        assert headers["connection"] == "close"
        assert headers["x-content-type-options"] == "nosniff"
        problem: dict[str, Any] = json.loads(body)
        assert problem["status"] == status
        return problem

    async def is_closed(self) -> bool:
        async with asyncio.timeout(LIMIT):
            try:
                return await self.reader.read() == b""
            except ConnectionResetError:
                return True


@asynccontextmanager
async def serving(requests: int = 100, connections: int = 100, of_address: int = 0) -> AsyncIterator[Service]:
    service = Service(Bounds(SECONDS, requests, connections, places=Places(of_address)))
    config = Config(cast(Any, service), ws="none", log_config=None, lifespan="off")
    config.load()
    made = partial(BoundedProtocol, service.bounds, config, service.state, {})
    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.close()
        for connection in list(service.state.connections):
            cast(BoundedProtocol, connection).transport.abort()
        service.let_go.set()
        for client in service.clients:
            client.writer.close()
        await service.until(lambda: not service.state.connections and not service.state.tasks)


def run(test: Callable[[Service], Awaitable[None]], **bounds: int) -> None:
    async def main() -> None:
        async with serving(**bounds) as service:
            await test(service)

    with asyncio.Runner(loop_factory=Config("").get_loop_factory()) as runner:  # the one that we serve with
        runner.run(main())


# HTTP/1.0


@pytest.mark.parametrize("path", [b"/stream", b"/livez"])
@pytest.mark.parametrize("keep", [b"", b"Connection: keep-alive\r\n"])
def test_an_answer_by_http_1_0_has_no_chunks_and_ends_with_its_connection(path: bytes, keep: bytes) -> None:
    """nginx asks so, where nobody tells it otherwise."""

    async def test(service: Service) -> None:
        client = await service.client()
        await client.sends(b"POST " + path + b" HTTP/1.0\r\n" + keep + b"Content-Length: 6\r\n\r\nabcdef")
        async with asyncio.timeout(LIMIT):
            head, _, body = (await client.reader.read()).partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head
        assert b"connection: close" in head
        assert body == b"abcdef"

    run(test)


def test_a_stream_by_http_1_1_has_chunks() -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        await client.sends(POST.replace(b"/v1/jobs", b"/stream") + b"\r\nabcdef")
        async with asyncio.timeout(LIMIT):
            answer = await client.reader.readuntil(b"0\r\n\r\n")
        assert b"transfer-encoding: chunked" in answer
        assert answer.endswith(b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")

    run(test)


# heads


def head_of(size: int) -> bytes:
    """A head whose address and headers are so many bytes."""
    named = b"/livezHostlocalhostAccept"
    return b"GET /livez HTTP/1.1\r\nHost: localhost\r\nAccept: " + b"a" * (size - len(named)) + b"\r\n\r\n"


def test_a_head_of_64_kb_is_read() -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        await client.sends(head_of(MAX_HEAD - 100))
        assert (await client.answer())[0] == 200

    run(test)


@pytest.mark.parametrize("size", [MAX_HEAD + 1, 200_000, 10_000_000])
def test_a_larger_head_is_refused_before_it_is_read(size: int) -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        _, problem = await asyncio.gather(client.sends(head_of(size)), client.problem(431))
        assert problem["type"] == "/problems/head-too-large"
        assert service.seen == []

    run(test)


def test_a_head_that_never_ends_is_refused_at_64_kb() -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        await client.sends(b"GET /" + b"a" * (MAX_HEAD + 1))
        await client.problem(431)

    run(test)


def test_a_refused_client_is_left_alone_after_some_seconds() -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        await client.sends(head_of(MAX_HEAD + 1))
        await client.problem(431)
        await client.sends(b"a" * 1000)
        service.tick(LINGER_SECONDS)
        await service.until(lambda: not service.state.connections)

    run(test)


@pytest.mark.parametrize(
    "junk", [b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_request_is_told_so(junk: bytes) -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        await client.sends(junk)
        assert (await client.problem(400))["type"] == "/problems/malformed-request"

    run(test)


def test_a_body_for_which_there_is_no_memory_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    async def test(service: Service) -> None:
        monkeypatch.setattr(BoundedProtocol, "on_body", fail)
        client = await service.client()
        await client.sends(POST + b"\r\nabcdef")
        assert (await client.problem(503))["type"] == "/problems/out-of-resources"

    run(test)


# what does not arrive


def test_a_connection_that_never_asks_is_closed_without_a_word() -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        service.tick(SECONDS - 1)
        assert len(service.state.connections) == 1
        service.tick(1)
        assert await client.is_closed()

    run(test)


def test_a_head_that_trickles_has_its_time() -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        [connection] = cast(set[BoundedProtocol], service.state.connections)
        for count, byte in enumerate(b"GET /livez", 1):
            await client.sends(bytes([byte]))
            await service.until(lambda: connection._head_size == count)  # noqa: B023
            service.tick(1)
        assert (await client.problem(408))["type"] == "/problems/too-slow"

    run(test)


def test_line_ends_do_not_keep_a_connection_open() -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        await client.sends(GET)
        await client.answer()
        [connection] = service.state.connections
        await client.sends(b"\r\n")
        await service.until(lambda: cast(BoundedProtocol, connection)._seconds_left is not None)
        service.tick(SECONDS)
        await client.problem(408)

    run(test)


def test_a_body_that_stops_is_given_up_and_its_application_told() -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        await client.sends(POST + b"\r\nabc")
        await service.until(lambda: bool(service.state.tasks))
        service.tick(SECONDS)
        await client.problem(408)
        async with asyncio.timeout(LIMIT):
            await service.disconnected.wait()
        assert service.seen == []

    run(test)


def test_a_body_that_comes_gains_time() -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        pieces, piece = 30, b"a" * 2000
        await client.sends(POST.replace(b"6", str(pieces * len(piece)).encode()) + b"\r\n")
        await service.until(lambda: bool(service.state.tasks))
        for _ in range(pieces):
            service.tick(1)
            await client.sends(piece)
            await asyncio.sleep(0.002)
        assert (await client.answer())[0] == 200

    run(test)


def test_who_waits_for_an_answer_is_never_given_up() -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        await client.sends(HOLD + b"GET /li")
        await service.until(lambda: bool(service.seen))
        service.tick(100 * SECONDS)
        service.let_go.set()
        assert (await client.answer())[0] == 200

    run(test)


def test_who_takes_nothing_of_an_answer_is_given_up() -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        cast(asyncio.Transport, client.writer.transport).pause_reading()
        size = 64 * 1024 * 1024
        await client.sends(POST.replace(b"6", str(size).encode()) + b"\r\n" + b"a" * size)
        [connection] = service.state.connections
        await service.until(lambda: cast(BoundedProtocol, connection).transport.get_write_buffer_size() > 0)
        service.tick(UNREAD_SECONDS + 2)
        await service.until(lambda: not service.state.connections)

    run(test)


@pytest.mark.parametrize(("takes", "is_given_up"), [(1, True), (100_000, False)], ids=["little", "enough"])
def test_who_takes_a_little_of_an_answer_now_and_then_is_given_up(takes: int, is_given_up: bool) -> None:
    async def test(service: Service) -> None:
        await service.client()
        connection = cast(BoundedProtocol, next(iter(service.state.connections)))
        left, real = 10_000_000, connection.transport
        waiting = cast(asyncio.Transport, Mock(wraps=real, get_write_buffer_size=lambda: left))
        connection.transport = waiting
        for _ in range(UNREAD_SECONDS + 2):
            connection.pause_writing()
            left -= takes
            if takes > 50_000:
                connection.resume_writing()
                connection.pause_writing()
            connection.tick()
        assert cast(Mock, waiting).abort.called == is_given_up
        connection.transport = real

    run(test)


def test_a_refused_client_does_not_hold_up_the_end_of_the_server() -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        await client.sends(POST + b"\r\nabc")
        await service.until(lambda: bool(service.state.tasks))
        service.tick(SECONDS)
        await client.problem(408)
        for connection in list(service.state.connections):
            connection.shutdown()
        await service.until(lambda: not service.state.connections)

    run(test)


@pytest.mark.parametrize("asked_before", [False, True], ids=["the first", "a later one"])
def test_a_request_that_comes_when_the_server_ends_is_answered_and_its_connection_closed(asked_before: bool) -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        if asked_before:
            await client.sends(GET)
            await client.answer()
        for connection in list(service.state.connections):
            connection.shutdown()
        await client.sends(GET)
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert await client.is_closed()

    run(test)


def test_a_connection_without_a_request_holds_up_the_end_of_the_server_for_a_moment_only() -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        for connection in list(service.state.connections):
            connection.shutdown()
        assert await client.is_closed()

    run(test)


# how many


def test_the_log_says_once_in_a_while_that_requests_are_refused() -> None:
    async def test(service: Service) -> None:
        await (await service.client()).sends(HOLD)
        await service.until(lambda: bool(service.seen))
        for _ in range(3):
            refused = await service.client()
            await refused.sends(GET.replace(b"livez", b"v1/jobs"))
            assert (await refused.answer())[0] == 503

    with capture_logs() as told:
        run(test, requests=1)
    assert [line["event"] for line in told] == ["as many requests are in work as may be: more are answered 503"]


def test_requests_in_work_are_counted_and_idle_connections_are_not() -> None:
    async def test(service: Service) -> None:
        for _ in range(20):
            await service.client()
        holding = [await service.client() for _ in range(2)]
        for client in holding:
            await client.sends(HOLD)
        await service.until(lambda: len(service.seen) == 2)

        refused = await service.client()
        await refused.sends(GET.replace(b"livez", b"v1/jobs"))
        told, headers, _ = await refused.answer()
        assert (told, headers["retry-after"]) == (503, "1")
        assert headers["content-type"] == "application/problem+json"

        await refused.is_closed()
        alive = await service.client()
        await alive.sends(GET)
        assert (await alive.answer())[0] == 200

        service.let_go.set()
        assert [(await client.answer())[0] for client in holding] == [200, 200]
        await service.until(lambda: not service.state.tasks)
        await alive.sends(GET.replace(b"livez", b"v1/jobs"))
        assert (await alive.answer())[0] == 200

    run(test, requests=2)


def test_requests_that_are_sent_ahead_are_answered_in_turn() -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        bodies = [b"%06d" % number for number in range(MAX_PIPELINED)]
        await client.sends(HOLD + b"".join(POST + b"\r\n" + body for body in bodies))
        service.let_go.set()
        assert [(await client.answer())[2] for _ in range(len(bodies) + 1)] == [b"", *bodies]

    run(test)


def test_while_requests_wait_that_were_sent_ahead_nothing_is_read() -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        await client.sends(HOLD + POST + b"\r\nabcdef")
        await service.until(lambda: bool(service.seen))
        [connection] = service.state.connections
        flow = cast(BoundedProtocol, connection).flow
        flow.resume_reading()  # as uvicorn does whenever an application waits for a body, or has answered
        assert flow.read_paused
        service.let_go.set()
        for _ in range(2):
            await client.answer()
        assert not flow.read_paused

    run(test)


def test_a_connection_that_sends_too_many_requests_ahead_is_closed() -> None:
    async def test(service: Service) -> None:
        client = await service.client()
        await client.sends(HOLD + GET * (MAX_PIPELINED + 1))
        await service.until(lambda: not service.state.connections)

    run(test)


@pytest.mark.parametrize("asked", [False, True], ids=["never asked", "has its answer"])
def test_the_connection_that_was_idle_longest_gives_way(asked: bool) -> None:
    async def test(service: Service) -> None:
        working = await service.client()
        await working.sends(HOLD)
        await service.until(lambda: bool(service.seen))
        oldest = await service.client()
        if asked:
            await oldest.sends(GET)
            await oldest.answer()
        service.tick(2)
        younger = await service.client()
        service.tick(1)
        newest = await service.client()

        assert await oldest.is_closed()
        service.let_go.set()
        for client in (younger, newest):
            await client.sends(GET)
        assert [(await client.answer())[0] for client in (working, younger, newest)] == [200, 200, 200]

    run(test, connections=3)


def test_of_one_address_the_connection_that_was_idle_longest_gives_way() -> None:
    async def test(service: Service) -> None:
        other = await service.client("127.0.0.2")
        oldest = await service.client()
        service.tick(1)
        younger, newest = await service.client(), await service.client()

        assert await oldest.is_closed()
        for client in (other, younger, newest):
            await client.sends(GET)
        assert [(await client.answer())[0] for client in (other, younger, newest)] == [200, 200, 200]

    run(test, of_address=2)


def test_an_address_whose_connections_are_all_at_work_is_told_so_and_no_other() -> None:
    async def test(service: Service) -> None:
        for count in (1, 2):
            holding = await service.client()
            await holding.sends(HOLD)
            await service.until(lambda count=count: len(service.seen) == count)  # type: ignore[misc]

        refused = await service.client()
        await refused.sends(GET.replace(b"livez", b"v1/jobs"))
        told, headers, body = await refused.answer()
        assert (told, headers["retry-after"]) == (503, "1")
        assert json.loads(body)["type"] == "/problems/too-many-connections"
        assert await refused.is_closed()

        alive, other = await service.client(), await service.client("127.0.0.2")
        await alive.sends(GET)
        await other.sends(GET.replace(b"livez", b"v1/jobs"))
        assert [(await client.answer())[0] for client in (alive, other)] == [200, 200]

        service.let_go.set()
        assert (await holding.answer())[0] == 200
        again = await service.client()
        await again.sends(GET.replace(b"livez", b"v1/jobs"))
        assert (await again.answer())[0] == 200

    run(test, of_address=2)


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
    ],
)
def test_addresses_of_one_subscriber_are_one(one: str, other: str, are_one: bool) -> None:
    assert (network_of(one) == network_of(other)) == are_one


@pytest.mark.parametrize(("descriptors", "requests", "connections"), [(65_536, 1000, 65_408), (128, 64, 64)])
def test_few_descriptors_are_enough_for_few_requests(descriptors: int, requests: int, connections: int) -> None:
    assert bounds_of(Settings(), descriptors) == Bounds(10, requests, connections)


# offers of other protocols


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"TLS/1.2"])
@pytest.mark.parametrize("apart", [0, 10, len(POST) + 40, 10_000])
def test_an_offer_of_another_protocol_is_ignored_and_the_body_kept(protocol: bytes, apart: int) -> None:
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + protocol + b"\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"

    async def test(service: Service) -> None:
        client = await service.client()
        for _ in range(2):
            request = POST + offer + b"abcdef"
            await client.sends(request[:apart])
            await asyncio.sleep(0.01)
            await client.sends(request[apart:])
            assert await client.answer() == (200, {"content-length": "6"}, b"abcdef")

    run(test)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(data=st.data())
def test_whatever_is_sent_in_whatever_pieces_gets_an_answer_or_is_closed(data: st.DataObject) -> None:
    parts = st.sampled_from(
        [POST, b"\r\n", b"abcdef", GET, b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"\x00", b"a" * 70_000]
    )
    sent = data.draw(st.lists(parts, min_size=1, max_size=6).map(b"".join))
    cut = data.draw(st.integers(0, len(sent)))

    async def test(service: Service) -> None:
        client = await service.client()
        await client.sends(sent[:cut])
        await asyncio.sleep(0.001)
        try:
            await client.sends(sent[cut:])
        except ConnectionError:
            return
        client.writer.write_eof()
        await service.until(lambda: not service.state.connections and not service.state.tasks)

    run(test)
