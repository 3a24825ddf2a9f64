"""Headers that are lists may come in several lines (RFC 9110, 5.3): the application reads them as one."""

from collections.abc import Awaitable, Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

_LISTS = {b"accept", b"accept-encoding", b"if-match", b"if-none-match", b"prefer"}
Fields = list[tuple[bytes, bytes]]


class ListHeaders:
    """Joins the lines of each list."""

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
