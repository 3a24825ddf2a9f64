"""Each address as it is written: with or without a slash at its end, and the prefix that a proxy adds or strips."""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Receive, Scope, Send


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
