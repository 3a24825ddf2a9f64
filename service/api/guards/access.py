"""The door: with SLOPE_AUTH=required, every request shows a key before anything else of it is looked at.

The key comes as `Authorization: Bearer …`, or from the dashboard in a cookie. A browser sends a cookie along whatever
page asks, so that changes by cookie are taken from pages of the service itself alone.
"""

from collections.abc import Awaitable
from math import inf
from secrets import compare_digest
from time import monotonic

from anyio import CancelScope, CapacityLimiter, to_thread
from anyio.lowlevel import checkpoint
from pydantic import SecretStr
from starlette._utils import get_route_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.audit import AuditLog, Deed, subject_of
from service.access.callers import VISITOR, Caller
from service.access.door import TRUSTED_SECONDS, Door
from service.access.key_text import PresentedKey
from service.access.rules import METRICS, SAFE_METHODS, needed_scope
from service.api.polling.watch import Batches
from service.api.problems import problem_response
from service.errors import ForeignPage, KeyMissing, KeyNotValid, ScopeTooSmall, ServiceError

COOKIE = "slope_key"
_COOKIE = COOKIE.encode()
_MOST_DEEDS = 1000
"""Written together."""
_TOO_MANY = 429
"""Who is told so could fill the log with it."""
_NEEDED = "needed_scope"
_UNFORESEEN = 500
"""The status of what is answered outside of all guards."""
_THREADS = 4
"""Of their own: nobody waits at the door for work that goes on inside."""


class AccessGuard:
    """Lets in who shows a key of the scope that a call needs, and notes who it is."""

    def __init__(self, app: ASGIApp, door: Door, log: AuditLog, scraper: SecretStr | None = None) -> None:
        """`scraper` is the token that lets a scraper read the metrics, and nothing else."""
        self._app = app
        self._scraper = f"Bearer {scraper.get_secret_value()}".encode() if scraper else None
        self._door = door
        self._deeds: Batches[Deed, None] = Batches(log.write, most=_MOST_DEEDS)
        self._threads = CapacityLimiter(_THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        needed = None if self._is_scraper(scope) else needed_scope(scope["method"], get_route_path(scope))
        try:
            caller = VISITOR if needed is None else await self._caller(scope)
        except ServiceError as error:
            await problem_response(scope, error)(scope, receive, send)
            return
        scope.setdefault("state", {}).update(caller=caller, **{_NEEDED: needed})
        changes = needed == "train" or (needed == "admin" and scope["method"] not in SAFE_METHODS)
        if changes and caller.key_id:
            await self._change(scope, receive, send, caller.key_id, caller.owner)
        elif caller.key_id:
            await self._answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_scraper(self, scope: Scope) -> bool:
        if self._scraper is None or get_route_path(scope) != METRICS:
            return False
        return any(compare_digest(shown, self._scraper) for shown in _values(scope, b"authorization"))

    async def _caller(self, scope: Scope) -> Caller:
        """Raises KeyMissing, KeyNotValid and ForeignPage."""
        shown = PresentedKey.parse(_shown(scope))
        caller = self._door.recall(shown)
        if caller is None:
            seen = await to_thread.run_sync(self._door.look_up, shown, limiter=self._threads)
            caller = self._door.admit(shown, seen)
        return caller

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What a key has opened is kept by no cache for others.

        A stream of events ends when its key lets in no longer, as soon as there would be something to send.
        """
        trusted_until = inf
        with CancelScope() as answered:

            async def trusting(message: Message) -> None:
                nonlocal trusted_until
                if message["type"] == "http.response.start":
                    trusted_until = monotonic() + TRUSTED_SECONDS if _is_live(message) else inf
                    _refuse_caches(message)
                elif monotonic() > trusted_until:
                    if not await self._still_lets_in(scope):
                        await send({"type": "http.response.body"})
                        answered.cancel()
                        await checkpoint()
                    trusted_until = monotonic() + TRUSTED_SECONDS
                await send(message)

            await self._app(scope, receive, trusting)

    async def _still_lets_in(self, scope: Scope) -> bool:
        try:
            await self._caller(scope)
        except KeyNotValid:
            return False
        except ServiceError:  # the database is away: the stream finds out by itself
            return True
        return True

    async def _change(self, scope: Scope, receive: Receive, send: Send, key_id: str, owner: str) -> None:
        """Let it be answered when what was done is in the audit log, also where an error comes that nobody foresaw."""
        address, root, is_noted = get_route_path(scope), scope.get("root_path", ""), False

        async def note(status: int, made: str) -> None:
            nonlocal is_noted
            is_noted = True
            await self._deeds.of(Deed(key_id, owner, scope["method"], address, subject_of(address, made), status))

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] != _TOO_MANY:
                made = dict(message["headers"]).get(b"location", b"").decode("latin-1").removeprefix(root)
                await note(message["status"], made)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            if not is_noted:
                await note(_UNFORESEEN, "")
            raise


class ScopeGuard:
    """Refuses keys that are not for a call. It is inside the bound on requests: who is refused cannot ask for ever."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        state = scope.get("state", {})
        needed, caller = state.get(_NEEDED), state.get("caller")
        if needed and not caller.may(needed):
            return problem_response(scope, ScopeTooSmall(needed, caller.scope))(scope, receive, send)
        return self._app(scope, receive, send)


def _shown(scope: Scope) -> str:
    """The text of the key. Raises KeyMissing, KeyNotValid where there are several, and ForeignPage."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) > 1:
        raise KeyNotValid("The request has more than one Authorization: send one key")
    if given:
        scheme, _, key = given[0].decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise KeyMissing
        return str(key.strip())
    key = _of_cookie(scope)
    if key is None:
        raise KeyMissing
    if scope["method"] not in SAFE_METHODS and not _is_own_page(scope):
        raise ForeignPage
    return key


def _of_cookie(scope: Scope) -> str | None:
    """None where there is none. Raises KeyNotValid where there are several: another site of the domain may set one.

    Python's own parser takes seconds for a cookie that is made for that, and finds nothing behind one that is odd.
    """
    pairs = (each.partition(b"=") for line in _values(scope, b"cookie") for each in line.split(b";"))
    found = [value.strip() for name, _, value in pairs if name.strip() == _COOKIE]
    if len(found) > 1:
        raise KeyNotValid(f"The request has more than one cookie {COOKIE}: sign in anew, or delete those of this site")
    return found[0].decode("latin-1") if found else None


def _is_own_page(scope: Scope) -> bool:
    """Whether a browser says that one of our own pages asks. Who sends a cookie and says nothing is not believed."""
    site, origin, host = (b"".join(_values(scope, name)) for name in (b"sec-fetch-site", b"origin", b"host"))
    return site == b"same-origin" if site else bool(origin) and origin.partition(b"://")[2] == host.lower()


def _is_live(message: Message) -> bool:
    return any(value.startswith(b"text/event-stream") for name, value in message["headers"] if name == b"content-type")


def _refuse_caches(message: Message) -> None:
    if not any(name == b"cache-control" for name, _ in message["headers"]):
        message["headers"] = [*message["headers"], (b"cache-control", b"private, no-cache")]


def _values(scope: Scope, wanted: bytes) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == wanted]
