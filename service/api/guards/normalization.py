"""Requests as the application reads them.

An address has one spelling and names a job by its id, a list is in one line, HEAD is GET, and a body is decoded and
within its limit. Each hands on what the next one expects. Files of tables are decoded by their own reader.
"""

import re
import zlib
from collections.abc import Awaitable, Iterable
from urllib.parse import quote
from uuid import UUID

from anyio import CancelScope, to_thread
from anyio.lowlevel import checkpoint
from starlette._utils import get_route_path
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.dependencies import caller_of
from service.api.problems import problem_response
from service.errors import BodyTooLarge, MalformedRequest, OutOfResources, ServiceError, UnsupportedMediaType
from service.store.database import Database
from service.store.jobs import aliases
from slope.spec.aliases import is_alias

_ALIASED = re.compile(r"(/v1/jobs/|/v2/models/)([A-Za-z][^/]*)")
"""An address with what may be the alias of a job, which begins with a letter."""
_LISTS = {b"accept", b"accept-encoding", b"if-match", b"if-none-match", b"prefer"}
Fields = list[tuple[bytes, bytes]]
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_CODINGS = {"gzip", "x-gzip", "deflate"}
_PIECE = 1024 * 1024
"""Bytes that are decoded at a time: some milliseconds of the event loop."""
_BODIES, _LITTLE = 8, 2**17
"""As many bodies of the largest size are in memory at most, besides those of this many bytes, which always come in."""


class Addresses:
    """Hands every address on as ASGI has it: with the prefix, and without a slash at its end. Nothing is redirected.

    What cannot be printed stays escaped, as it was sent, so that all who read the address read the same: to Starlette's
    routes a line break at the end is nothing. No address of ours has any.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and self._differs(scope["path"]):
            scope = {**scope, "path": self._path(scope["path"]), "root_path": self._root_path}
        return self._app(scope, receive, send)

    def _differs(self, path: str) -> bool:
        return bool(self._root_path) or path[-1:] == "/" or not path.isprintable()

    def _path(self, path: str) -> str:
        """A proxy strips its prefix, or does not."""
        path = "".join(each if each.isprintable() else quote(each) for each in path)
        if f"{path}/".startswith(f"{self._root_path}/"):
            path = path.removeprefix(self._root_path)
        return self._root_path + (path.rstrip("/") or "/")


class Aliases:
    """Puts the id of a job where its alias stands. A request has one answer, wherever the alias is moved meanwhile."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        found = _ALIASED.match(get_route_path(scope)) if scope["type"] == "http" else None
        if found is None or not is_alias(found[2]):
            return self._app(scope, receive, send)  # without a coroutine of its own: every poll comes by
        return self._answer(found, scope, receive, send)

    async def _answer(self, found: re.Match[str], scope: Scope, receive: Receive, send: Send) -> None:
        try:
            state = scope["app"].state
            job_id = await to_thread.run_sync(_aliased_job, state.database, found[2], caller_of(scope).owner)
        except ServiceError as error:
            await problem_response(scope, error)(scope, receive, send)
            return
        if job_id is None:  # the route says what is wrong
            await self._app(scope, receive, send)
            return
        prefix = scope["path"].removesuffix(found.string)
        path = f"{prefix}{found.string[: found.start(2)]}{job_id}{found.string[found.end(2) :]}"
        await self._app({**scope, "path": path}, receive, send)


def _aliased_job(database: Database, name: str, owner: str) -> UUID | None:
    return database.query(aliases.find_aliased_job, name, owner)


class ListHeaders:
    """Joins the lines of each list, for a list may come in several (RFC 9110, 5.3)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and _has_repeated(scope["headers"]):
            scope = {**scope, "headers": join_lists(scope["headers"])}
        return self._app(scope, receive, send)


def join_lists(fields: Iterable[tuple[bytes, bytes]]) -> Fields:
    """The same fields, and of each list one line, where its first was."""
    lines: dict[bytes, list[bytes]] = {}
    kept: list[tuple[bytes, bytes | list[bytes]]] = []
    for name, value in fields:
        if name not in _LISTS:
            kept.append((name, value))
        elif name in lines:
            lines[name].append(value)
        else:
            lines[name] = [value]
            kept.append((name, lines[name]))
    return [(name, value if isinstance(value, bytes) else b", ".join(value)) for name, value in kept]


def _has_repeated(fields: Fields) -> bool:
    names = [name for name, _ in fields if name in _LISTS]
    return len(names) > len(set(names))


class HeadAsGet:
    """Asks the application for what GET would answer, and sends the head of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return self._app(scope, receive, send)  # without a coroutine of its own: every poll comes by
        return self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        with CancelScope() as asked:

            async def without_body(message: Message) -> None:
                if message["type"] != "http.response.body":
                    await send(message)
                    return
                await send({"type": "http.response.body"})
                if message.get("more_body"):
                    asked.cancel()  # nobody would read the rest, and a stream of events might never end
                    await checkpoint()

            await self._app({**scope, "method": "GET"}, receive, without_body)


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
    """Refuses a body by the length it tells, and one that does not tell it as soon as it is past the limit; and a large
    one while those of others that are in memory come to several times the limit.

    Starlette has the first, and answers text/plain where a body tells its length.
    """

    def __init__(self, app: ASGIApp, max_size: int, max_upload_size: int) -> None:
        self._app = app
        self._max_size = max_size
        self._max_upload_size = max_upload_size
        self._held = 0
        """Bytes of all bodies that are in memory."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http" or not (lengths := _lengths(scope)):
            return self._app(scope, receive, send)  # there is no body
        goes_to_file = get_route_path(scope) == "/v1/datasets"
        limit = self._max_upload_size if goes_to_file else self._max_size
        if any(length.isdigit() and int(length) > limit for length in lengths):
            return problem_response(scope, BodyTooLarge())(scope, receive, send)
        counted = _Counted(receive, limit)
        is_kept = not goes_to_file and scope["method"] != "GET"  # of a GET nobody keeps what comes
        return self._hold(scope, counted, send) if is_kept else self._app(scope, counted, send)

    async def _hold(self, scope: Scope, counted: "_Counted", send: Send) -> None:
        async def received() -> Message:
            message = await counted()
            self._held += len(message.get("body", b""))  # of this one: a second task may receive of the same request
            if counted.taken > _LITTLE and self._held > _BODIES * self._max_size:
                raise HTTPException(OutOfResources.status)
            return message

        try:
            await self._app(scope, received, send)
        finally:
            self._held -= counted.taken


class _Counted:
    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self.taken = 0
        """Bytes so far."""

    async def __call__(self) -> Message:
        message = await self._receive()
        size = len(message.get("body", b""))
        if self.taken + size > self._limit:
            raise HTTPException(BodyTooLarge.status)  # any other would become a 400 where FastAPI reads the body
        self.taken += size
        return message


def _lengths(scope: Scope) -> list[bytes]:
    """What tells that a request has a body (RFC 9112, 6): its length, or that it comes in chunks."""
    return [value for name, value in scope["headers"] if name in (b"content-length", b"transfer-encoding")]
