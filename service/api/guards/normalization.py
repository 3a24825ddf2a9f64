"""Requests as the application reads them: an address in one spelling, a list in one line, and HEAD as GET."""

from collections.abc import Awaitable, Iterable

from anyio import CancelScope
from anyio.lowlevel import checkpoint
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LISTS = {b"accept", b"accept-encoding", b"if-match", b"if-none-match", b"prefer"}
Fields = list[tuple[bytes, bytes]]


class Addresses:
    """Hands every address on as ASGI has it: with the prefix, and without a slash at its end. Nothing is redirected."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and (self._root_path or scope["path"][-1:] == "/"):
            scope = {**scope, "path": self._path(scope["path"]), "root_path": self._root_path}
        return self._app(scope, receive, send)

    def _path(self, path: str) -> str:
        """A proxy strips its prefix, or does not."""
        if f"{path}/".startswith(f"{self._root_path}/"):
            path = path.removeprefix(self._root_path)
        return self._root_path + (path.rstrip("/") or "/")


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
