"""How many requests an owner may send: counted in the broker for all API processes together, and told with each answer
as draft-ietf-httpapi-ratelimit-headers has it.

While the broker is away each process counts by itself: nobody is refused because of that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf
from time import monotonic, time
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import structlog
from limits import RateLimitItem, parse_many
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter as Counter
from redis.exceptions import RedisError
from starlette._utils import get_route_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.callers import ANYBODY, Caller
from service.access.rules import needed_scope
from service.api.problems import problem_response
from service.errors import OwnerQuotaReached

_BROKER_SECONDS = 0.5
"""How long the broker may take to count."""
_REST_SECONDS = 3.0
"""How long it is not asked after it has not answered."""

log = structlog.get_logger()
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Left:
    """What is left of one bound."""

    policy: str
    requests: int
    seconds: int
    """Until there is more."""
    is_used_up: bool
    """And this request is one too many."""


class Meter:
    """Counts requests by owner."""

    def __init__(self, rates: str, broker: str) -> None:
        """`rates` as in `50/second;5000/hour`."""
        self._policies = {_name(item): item for item in parse_many(rates)}
        self._broker = _storage_at(broker)
        self._shared = Counter(self._broker)
        self._own = Counter(MemoryStorage())
        self._rests_until = -inf

    @property
    def policy(self) -> bytes:
        """What `RateLimit-Policy` says of it."""
        items = self._policies.items()
        return ", ".join(f'"{name}";q={item.amount};w={item.get_expiry()}' for name, item in items).encode()

    async def count(self, owner: str) -> list[Left]:
        """Count a request of an owner, by every bound."""
        if monotonic() >= self._rests_until:
            try:
                return [await _left(self._shared, name, item, owner) for name, item in self._policies.items()]
            except (RedisError, OSError) as error:
                self._rests_until = monotonic() + _REST_SECONDS
                log.warning("the broker does not count requests: each process does", error=str(error))
        return [await _left(self._own, name, item, owner) for name, item in self._policies.items()]

    async def close(self) -> None:
        """Let go of the broker."""
        await cast(Any, self._broker.bridge).get_connection().aclose()  # redis-py's, which the library calls anything


class RequestQuota:
    """Refuses requests beyond the bound of their owner. Addresses that need no key are not counted."""

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or needed_scope(scope["method"], get_route_path(scope)) is None:
            await self._app(scope, receive, send)
            return
        caller: Caller = scope.get("state", {}).get("caller", ANYBODY)
        left = await self._meter.count(caller.owner)
        headers = _headers(self._meter.policy, left)

        async def with_quota(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", []).extend(headers)
            await send(message)

        refused = [each for each in left if each.is_used_up]
        app = problem_response(scope, _error(refused)) if refused else self._app
        await app(scope, receive, with_quota)


def _error(refused: Sequence[Left]) -> OwnerQuotaReached:
    names = " and ".join(each.policy for each in refused)
    seconds = max(each.seconds for each in refused)
    return OwnerQuotaReached(f"you have sent as many requests as you may {names}", retry_after=seconds)


def _headers(policy: bytes, left: Sequence[Left]) -> Headers:
    state = ", ".join(f'"{each.policy}";r={each.requests};t={each.seconds}' for each in left)
    return [(b"ratelimit-policy", policy), (b"ratelimit", state.encode())]


async def _left(counter: Counter, name: str, item: RateLimitItem, owner: str) -> Left:
    is_within = await counter.hit(item, owner)
    stats = await counter.get_window_stats(item, owner)
    return Left(name, stats.remaining, max(1, ceil(stats.reset_time - time())), not is_within)


def _name(item: RateLimitItem) -> str:
    """As `per minute` or `per 10 minutes`."""
    unit = item.GRANULARITY.name
    return f"per {unit}" if item.multiples == 1 else f"per {item.multiples} {unit}s"


def _storage_at(broker: str) -> RedisStorage:
    """The broker as the library takes it. Of a socket's query it takes only the database."""
    parts = urlsplit(broker)
    if parts.scheme == "redis+socket":
        database = parse_qs(parts.query).get("virtual_host", ["0"])[0].strip("/")
        address = f"async+redis+unix://{unquote(parts.path)}?db={database}"
    else:
        address = f"async+{parts._replace(query='').geturl()}"
    return RedisStorage(
        address,
        implementation="redispy",
        key_prefix="slope",
        socket_timeout=_BROKER_SECONDS,
        socket_connect_timeout=_BROKER_SECONDS,
    )
