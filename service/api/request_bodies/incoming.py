"""What happens to a body on its way in: it is decoded and limited, and large JSON is read in a thread.

Each of the three hands on what the next one expects. Files of tables are decoded by their own reader.
"""

import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from copy import copy

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import checkpoint
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, request_response
from pydantic import BaseModel, ValidationError
from starlette._utils import get_route_path
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.dependencies import is_json
from service.api.problems import problem_response
from service.api.request_bodies.json_documents import read_json
from service.errors import BodyTooLarge, MalformedRequest, UnsupportedMediaType

THREADED = 128 * 1024
"""Bytes of a body that is read in a thread; smaller ones take 6 ms at most."""
THREADED_AT_ONCE = 2
"""Bodies that are read in threads at the same time."""
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_CODINGS = {"gzip", "x-gzip", "deflate"}
_PIECE = 1024 * 1024
"""Bytes that are decoded at a time: some milliseconds of the event loop."""
_Handler = Callable[[Request], Awaitable[Response]]


class Decoding:
    """Hands decoded bodies on, piece by piece, so that their limit counts what is decoded."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        coding = _coding(scope)
        if coding in ("", "identity"):
            return self._app(scope, receive, send)
        if coding in _CODINGS:
            replaced = (b"content-encoding", b"content-length", b"transfer-encoding")
            headers = [field for field in scope["headers"] if field[0] not in replaced]
            headers.append((b"transfer-encoding", b"chunked"))  # its length is not known beforehand any more
            return self._app({**scope, "headers": headers}, _Decoded(receive), send)
        return problem_response(scope, _unknown_coding())(scope, receive, send)


class _Decoded:
    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._waiting = b""
        self._has_begun = False
        self._more = True  # is to come
        self._has_ended = False

    async def __call__(self) -> Message:
        while not self._has_ended:
            if self._more and not self._waiting:
                message = await self._receive()
                if message["type"] != "http.request":
                    return message
                self._waiting, self._more = message.get("body", b""), message.get("more_body", False)
            await checkpoint()
            piece = self._piece()
            self._has_ended = not (self._more or self._waiting or len(piece) == _PIECE)
            if self._has_ended and self._has_begun and not self._decoder.eof:
                raise MalformedRequest("The compressed body breaks off before its end: send it again, whole")
            if piece or self._has_ended:
                return {"type": "http.request", "body": piece, "more_body": not self._has_ended}
        return await self._receive()

    def _piece(self) -> bytes:
        """What comes next of the body, which may be several files one after the other, as gzip has them."""
        self._has_begun = self._has_begun or bool(self._waiting)
        if self._decoder.eof and self._waiting:
            self._decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            piece = self._decoder.decompress(self._waiting, _PIECE)
        except zlib.error as error:
            raise MalformedRequest("The body is not compressed as its Content-Encoding says") from error
        self._waiting = self._decoder.unused_data or self._decoder.unconsumed_tail
        return piece


def _coding(scope: Scope) -> str:
    if scope["type"] != "http" or get_route_path(scope) == "/v1/datasets":
        return ""
    codings = [value for name, value in scope["headers"] if name == b"content-encoding"]
    return b", ".join(codings).decode("latin-1").strip().lower() if codings else ""


def _unknown_coding() -> UnsupportedMediaType:
    detail = "The body is compressed in a way this call does not take: use gzip or deflate, or send it as it is"
    return UnsupportedMediaType(detail, headers={"Accept-Encoding": "gzip, deflate"})


class BodyLimit:
    """Refuses a body by the length it tells, and one that does not tell it as soon as it is past the limit.

    Starlette has the same, and answers text/plain where a body tells its length.
    """

    def __init__(self, app: ASGIApp, max_size: int, max_upload_size: int) -> None:
        self._app = app
        self._max_size = max_size
        self._max_upload_size = max_upload_size

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http" or not (lengths := _lengths(scope)):
            return self._app(scope, receive, send)  # there is no body
        limit = self._limit(scope)
        if any(length.isdigit() and int(length) > limit for length in lengths):
            return problem_response(scope, BodyTooLarge())(scope, receive, send)
        return self._app(scope, self._counted(receive, limit), send)

    def _limit(self, scope: Scope) -> int:
        """A dataset goes to a file; every other body is read into memory."""
        return self._max_upload_size if get_route_path(scope) == "/v1/datasets" else self._max_size

    def _counted(self, receive: Receive, limit: int) -> Receive:
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise HTTPException(BodyTooLarge.status)  # any other would become a 400 where FastAPI reads the body
            return message

        return counted


def _lengths(scope: Scope) -> list[bytes]:
    """What tells that a request has a body (RFC 9112, 6): its length, or that it comes in chunks."""
    return [value for name, value in scope["headers"] if name in (b"content-length", b"transfer-encoding")]


def with_threaded_bodies(routes: Iterable[BaseRoute], limiter: CapacityLimiter) -> Iterator[BaseRoute]:
    """Copies of routes. Those that take JSON read and check a large body in a thread; the limiter says how many do.

    FastAPI would keep the event loop from all others. What is checked is handed to it as the body, and is not checked
    again.
    """
    for route in map(copy, routes):
        if isinstance(route, APIRoute) and route.body_field is not None:
            model = route.body_field.field_info.annotation
            assert isinstance(model, type)
            assert issubclass(model, BaseModel)
            route.app = request_response(_reading(model, route.get_route_handler(), limiter))
        yield route


def _reading(model: type[BaseModel], handle: _Handler, limiter: CapacityLimiter) -> _Handler:
    async def read(request: Request) -> Response:
        try:
            body = await request.body()
        except ClientDisconnect as error:
            raise MalformedRequest("The body broke off before its end: send it again, whole") from error
        if len(body) >= THREADED and is_json(request):
            request._json = await to_thread.run_sync(_checked, model, body, limiter=limiter)
        return await handle(request)

    return read


def _checked(model: type[BaseModel], body: bytes) -> BaseModel:
    document = read_json(body)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        faults = [each | {"loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]
        raise RequestValidationError(faults, body=document) from error
