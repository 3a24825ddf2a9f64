"""The policy of HTML pages whose scripts are written into them: these run, and nothing that comes from elsewhere."""

import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_POLICY = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def set_page_policies(routes: Iterable[BaseRoute]) -> None:
    """Let the pages among these routes, which are FastAPI's documentation, tell browsers their policy."""
    for route in routes:
        if isinstance(route, APIRoute):
            route.app = _Guarded(route.app)


def policy_of(page: bytes) -> str:
    """The Content-Security-Policy that lets a page run its own scripts, by their hashes."""
    hashes = (b64encode(sha256(script).digest()).decode() for script in _SCRIPT.findall(page))
    return _POLICY.format(scripts=" ".join(f"'sha256-{each}'" for each in hashes))


class _Guarded:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}

        async def with_policy(message: Message) -> None:
            """The answer begins when its page is there: FastAPI sends each as one body."""
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            start["headers"].append((b"content-security-policy", policy_of(message["body"]).encode()))
            await send(start)
            await send(message)

        await self._app(scope, receive, with_policy)
