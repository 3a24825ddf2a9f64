"""Where a call has one kind of answer, a client that does not accept that kind is refused before anything is done."""

from collections.abc import Awaitable, Iterable, Iterator
from copy import copy
from http import HTTPStatus

from fastapi.datastructures import DefaultPlaceholder
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.negotiation import preferred_index


def with_one_answer(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Copies of routes. Those that have several kinds of answers choose by themselves."""
    for route in map(copy, routes):
        if isinstance(route, APIRoute) and (kind := _only_kind(route)):
            route.app = _Accepting(route.app, kind)
        yield route


class _Accepting:
    def __init__(self, app: ASGIApp, kind: str) -> None:
        self._app = app
        self._kind = kind
        self._usual = (b"*/*", kind.encode())

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Raises NotAcceptable."""
        for name, value in scope["headers"]:
            if name == b"accept" and value not in self._usual:
                preferred_index((self._kind,), value.decode("latin-1"))
        return self._app(scope, receive, send)


def _only_kind(route: APIRoute) -> str | None:
    """None where there are several kinds or none, and of probes: what looks after a service is never refused."""
    has_choice = "content" in route.responses.get(HTTPStatus.OK, {})
    if route.status_code == HTTPStatus.NO_CONTENT or "health" in route.tags or has_choice:
        return None
    chosen = route.response_class
    response: type[Response] = chosen.value if isinstance(chosen, DefaultPlaceholder) else chosen
    return response.media_type
