"""What is seen of every request: the id that its answer and its lines of the log have, and how long it took."""

import logging
import re
from bisect import bisect_left
from collections.abc import Awaitable
from random import getrandbits
from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from service import tracing

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Seconds, up to each of which requests are counted apart."""
NO_ROUTE = "none"
"""What addresses that do not exist have in common, and what a guard refuses before its route is known."""
_GONE = 499
"""nginx's status for a client that has not waited for its answer."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HEADER = b"x-request-id"
_WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_ROUTED = "routed"

_root_logger = logging.getLogger()
log = structlog.get_logger()
Fields = list[tuple[bytes, bytes]]


class RequestTimes:
    """Of all requests of this process. They are added by one thread, that of the event loop."""

    def __init__(self) -> None:
        self.in_progress = 0
        self.counts: dict[tuple[str, str, int], list[int]] = {}
        """How many took how long, by the bounds and beyond them, of each method, template and class of status."""
        self.seconds: dict[tuple[str, str, int], float] = {}

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        kind = (method if method in _METHODS else "other", route, status // 100)
        if kind not in self.counts:
            self.counts[kind], self.seconds[kind] = [0] * (len(BOUNDS) + 1), 0.0
        self.counts[kind][bisect_left(BOUNDS, seconds)] += 1
        self.seconds[kind] += seconds


class Observation:
    """Outside of all others: what a guard refuses is seen as well."""

    def __init__(self, app: ASGIApp, times: RequestTimes) -> None:
        self._app = app
        self._times = times

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif tracing.tracer is None:
            await self._observe(scope, receive, send)
        else:
            with tracing.request_span(scope["method"], scope["path"], scope["headers"]) as span:
                route, status = await self._observe(scope, receive, send)
                tracing.end_request(span, scope["method"], route, status)

    async def _observe(self, scope: Scope, receive: Receive, send: Send) -> tuple[str, int]:
        """Let it be answered. Its route, and the status of the answer."""
        began, status = perf_counter(), _GONE
        request_id = _given_id(scope) or b"%016x" % getrandbits(64)
        bind_contextvars(request_id=request_id.decode())
        headers: Fields = []
        routed: list[Scope] = []
        scope.setdefault("state", {})[_ROUTED] = routed

        async def noted(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], message.setdefault("headers", [])
                headers.append((_HEADER, request_id))
            await send(message)

        self._times.in_progress += 1
        try:
            await self._app(scope, receive, noted)
        finally:
            self._times.in_progress -= 1
            seconds = perf_counter() - began
            route = routed.pop().get("route") if routed else None  # and so nothing refers to itself
            template = getattr(route, "path", NO_ROUTE)
            self._times.add(scope["method"], template, status, seconds)
            if _root_logger.isEnabledFor(logging.DEBUG):
                place = next((value.decode("latin-1") for name, value in headers if name == b"location"), None)
                log.debug(
                    "answered",
                    method=scope["method"],
                    path=scope["path"],
                    route=template,
                    status=status,
                    seconds=round(seconds, 6),
                    location=place,
                )
        return template, status


class RouteKeeper:
    """Inside of all others: hands out the scope into which the router writes the route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            scope["state"][_ROUTED].append(scope)
        return self._app(scope, receive, send)


def _given_id(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == _HEADER:
            return value if _WELL_FORMED.fullmatch(value) else None
    return None
