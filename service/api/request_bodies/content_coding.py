"""Bodies that are compressed (Content-Encoding), read as what they are of. Files of tables have their own reader."""

import zlib
from collections.abc import Awaitable

from anyio.lowlevel import checkpoint
from starlette._utils import get_route_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import problem_response
from service.errors import MalformedRequest, UnsupportedMediaType

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_CODINGS = {"gzip", "x-gzip", "deflate"}
_PIECE = 1024 * 1024
"""Bytes that are decoded at a time: some milliseconds of the event loop."""


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
        return problem_response(scope, _unknown())(scope, receive, send)


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
                raise MalformedRequest("The body ends before what is compressed in it does")
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


def _unknown() -> UnsupportedMediaType:
    detail = "The body is compressed in a way this call does not take: use gzip or deflate, or send it as it is"
    return UnsupportedMediaType(detail, headers={"Accept-Encoding": "gzip, deflate"})
