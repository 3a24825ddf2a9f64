"""The largest body that is read. Starlette has the same, and answers text/plain where a body tells its length."""

from collections.abc import Awaitable

from starlette._utils import get_route_path
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import problem_response
from service.errors import BodyTooLarge


class BodyLimit:
    """Refuses a body by the length it tells, and one that does not tell it as soon as it is past the limit."""

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
