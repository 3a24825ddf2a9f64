"""HEAD is answered as GET without a body, on every route; and what methods a path has is told in full."""

from collections.abc import Awaitable, Iterable

from anyio import CancelScope
from anyio.lowlevel import checkpoint
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send


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


def allowed_methods(routes: Iterable[BaseRoute], scope: Scope) -> str:
    """The methods of all routes of a path: each route knows but its own."""
    methods: set[str] = set()
    for route in routes:
        if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
