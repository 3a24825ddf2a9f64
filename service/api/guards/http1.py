"""HTTP/1.1 as uvicorn speaks it, with bounds: on the size of a head, on how long clients may keep it waiting, on
requests in work and on open connections, in all and of one address. Whatever is beyond them is answered with a problem,
before any work is done.

A connection waits for its client for some seconds: a tick takes one of them, and a body that comes gives some back.
Nothing is set or cancelled for a request that comes in one piece.
"""

import asyncio
from typing import Any, cast

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server, ServerState

from service.api.guards.bounds import Bounds
from service.api.guards.flow import InTurn
from service.api.guards.places import make_room, network_of
from service.api.guards.refusals import write_refusal
from service.errors import (
    HeadTooLarge,
    MalformedRequest,
    OutOfResources,
    ServiceError,
    TooManyConnections,
    TooManyRequests,
    TooSlow,
)

MAX_HEAD = 64 * 1024
"""Bytes of a request line with its headers."""
MIN_RATE = 1000
"""Bytes of a body that make up for a second."""
MAX_PIPELINED = 100
"""Requests that one connection may send ahead of an answer: they may come in one piece, each becoming kilobytes."""
LINGER_SECONDS = 5
"""How long a client that was refused is listened to: it may still send, and would lose the answer if it could not."""
LAST_SECONDS = 0.3
"""How long a server that ends waits for requests that are on their way to it, on connections that are open."""
_ALWAYS_SERVED = b"/livez"


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    flow: InTurn

    def __init__(
        self,
        bounds: Bounds,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._bounds = bounds
        self._always_served = (_ALWAYS_SERVED, bounds.root_path.encode() + _ALWAYS_SERVED)
        self.url = b""
        self._seconds_left: float | None = bounds.seconds
        """Seconds left for what the client is to send; None while nothing is waited for."""
        self._in_body = False
        self._head_size = 0
        self._piece_size = 0
        self._linger: int | None = None
        """Seconds left until a refused client is left alone."""
        self.idle_seconds = 0
        self.network: str | None = None
        self._has_place = True
        self._is_ending = False

    @property
    def is_idle(self) -> bool:
        """Whether no request is in work."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = InTurn(transport, self.pipeline)
        self.network = network_of(self.client[0]) if self.client else None
        if len(self.connections) > self._bounds.connections:
            make_room(cast(set[BoundedProtocol], self.connections - {self}))
        self._has_place = self._bounds.places.take(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._bounds.places.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._linger is not None:
            return
        if self._seconds_left is None:
            self._seconds_left = self._bounds.seconds
        elif self._in_body and not self.cycle.response_complete:
            self._seconds_left = min(self._bounds.seconds, self._seconds_left + len(data) / MIN_RATE)
        self._unset_keepalive_if_required()
        self._piece_size = len(data)
        try:
            self._feed(data)
        except ServiceError as error:
            self._refuse(error)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # an offer, which is declined
        if self._head_size + self._piece_size > MAX_HEAD and self._size_of_head() > MAX_HEAD:
            raise HeadTooLarge
        if self.url not in self._always_served:
            self._check_places()
        if len(self.pipeline) >= MAX_PIPELINED:
            raise MalformedRequest(
                "The connection has sent too many requests before an answer: wait for answers, then send more"
            )
        self._head_size, self._in_body, self._seconds_left = 0, True, self._bounds.seconds
        super().on_headers_complete()
        if self._is_ending:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        if self._in_body:
            self._in_body, self._seconds_left = False, None
            super().on_message_complete()

    def shutdown(self) -> None:
        """The server ends. A request that is on its way is answered; a client that was refused does not hold it up."""
        if self._linger is not None:
            self.transport.abort()
        elif self.is_idle:
            self._is_ending = True
            self.loop.call_later(LAST_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def tick(self) -> None:
        """A second has passed."""
        self.idle_seconds = self.idle_seconds + 1 if self.is_idle else 0
        if self._linger is not None:
            self._linger -= 1
            if self._linger <= 0:
                self.transport.abort()
        elif self.flow.takes_nothing(self.transport.get_write_buffer_size()):
            self.transport.abort()
        elif self._seconds_left is not None and self._waits():
            self._seconds_left -= 1
            if self._seconds_left <= 0:
                self._give_up()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        is_old = cycle.scope["http_version"] == "1.0"
        super()._start_asgi_task(cycle, _without_chunks(app, cycle) if is_old else app)

    def _feed(self, data: bytes) -> None:
        """Raises ServiceError for what cannot be taken."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline(data[offer.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__  # what one of our methods raised in the parser
            if isinstance(cause, MemoryError):
                raise OutOfResources from error
            raise cause if isinstance(cause, ServiceError) else MalformedRequest("This is not HTTP/1.1") from error
        if not self._in_body and self._seconds_left is not None:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD:
                raise HeadTooLarge

    def _decline(self, rest: bytes) -> None:
        """Go on without the offer of another protocol (RFC 9110, 7.8). The parser would take the body for that."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            raise MalformedRequest("This is no proxy")
        lines = [b"%b %b HTTP/1.1" % (method, self.url)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        self._feed(b"\r\n".join([*lines, b"", rest]))

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _waits(self) -> bool:
        """Whether it is the client that is waited for, and not we who read no further, or answer it."""
        if self._in_body:
            return not (self.flow.read_paused or self.cycle.waiting_for_100_continue)
        return self.is_idle

    def _give_up(self) -> None:
        if self._in_body or self._head_size:
            self._refuse(TooSlow())
        else:
            self.transport.close()

    def _check_places(self) -> None:
        """Raises what a request is refused with because of all the others."""
        log, most = self._bounds.crowd_log, self._bounds.requests
        if not self._has_place:
            log.warn("one address has as many connections at work as it may have", address=self.network)
            raise TooManyConnections
        if len(self.tasks) >= most:
            log.warn("as many requests are in work as may be", requests=most)
            raise TooManyRequests

    def _refuse(self, error: ServiceError) -> None:
        """Answer with a problem, unless an answer is under way or was given, and close."""
        can_answer = self.is_idle if not self._in_body else not (self.cycle.response_started or self.pipeline)
        if not self.is_idle:
            self.cycle.disconnected = True  # as uvicorn tells the application that nobody is there any more
            self.cycle.message_event.set()
        if not can_answer:
            self.transport.close()
            return
        headers = self.server_state.default_headers
        self.transport.write(write_refusal(error, self.url, self._bounds.root_path, headers))
        self.transport.write_eof()
        self.flow.resume_reading()
        self._linger = LINGER_SECONDS


def _without_chunks(app: ASGI3Application, cycle: RequestResponseCycle) -> ASGI3Application:
    """HTTP/1.0 has no chunks, which uvicorn sends all the same: an answer without a length ends with its connection."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        has_length = False

        async def sent(message: Any) -> None:
            nonlocal has_length
            if message["type"] == "http.response.start":
                has_length = any(name.lower() == b"content-length" for name, _ in message.get("headers", []))
                cycle.chunked_encoding = None if has_length else False
            elif not has_length:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, sent)

    return answer


class BoundedServer(Server):
    """Lets every connection know that a second has passed."""

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:  # uvicorn calls it ten times a second
            for connection in list(self.server_state.connections):
                cast(BoundedProtocol, connection).tick()
        return await super().on_tick(counter)
