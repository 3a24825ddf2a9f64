"""Who may come in: requests to a name that is ours, and none that a page of another site would send.

A browser lets any page send requests to a service on the reader's own machine. Two things tell such a request: the
browser says where it comes from (`Sec-Fetch-Site`, `Origin`), and a page whose own name was pointed at our address
(DNS rebinding) has that name in `Host`.
"""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from operator import itemgetter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import problem_response
from service.errors import ForeignPage, HostNotKnown, MalformedRequest, ServiceError

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_ORIGIN_HEADERS = {b"host": "Host", b"origin": "Origin", b"sec-fetch-site": "Sec-Fetch-Site"}
"""The headers that are looked at. One that comes twice would be read in one way here, and in another elsewhere."""
_LONGEST_HOST = 300
"""Characters of a Host that are looked at: a name has 253, a port five."""
_HOST = re.compile(r"(\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(:[0-9]{0,5})?")
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"vary", b"Accept"),
]
_POLICY = b"content-security-policy"
_PLAIN_POLICY = (_POLICY, b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
"""Of answers that are no pages. A picture in SVG has its colours in a style of its own."""

_NAME = itemgetter(0)

HEADERS = [*_HEADERS, _PLAIN_POLICY]
"""What every answer says to a browser, unless it has a policy of its own, and to a cache: Accept may refuse any."""


class OriginGuard:
    """Refuses requests by their Host and their origin, and tells browsers what they may do with the answers."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...], origins: tuple[str, ...]) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                headers += _HEADERS if _POLICY in map(_NAME, headers) else HEADERS
            await send(message)

        error = self._error(scope)
        app = self._app if error is None else problem_response(scope, error)
        await app(scope, receive, with_policy)

    def _error(self, scope: Scope) -> ServiceError | None:
        given: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in _ORIGIN_HEADERS:
                if name in given:
                    return MalformedRequest(f"The request has more than one {_ORIGIN_HEADERS[name]}")
                given[name] = value
        host = given.get(b"host", b"").lower()
        if not host and scope["http_version"] != "1.0":
            return MalformedRequest("The request has no Host")
        origin, site = given.get(b"origin", b""), given.get(b"sec-fetch-site", b"")
        if not is_known_host(host[:_LONGEST_HOST].decode("latin-1"), (scope.get("server") or ("",))[0], self._hosts):
            return HostNotKnown()
        if scope["method"] not in _SAFE_METHODS and self._is_foreign(host, origin, site):
            return ForeignPage()
        return None

    def _is_foreign(self, host: bytes, origin: bytes, site: bytes) -> bool:
        """Whether a browser says that a page of another site asks. A browser that says nothing is none, or very old."""
        if origin in self._origins or b"*" in self._origins:
            return False
        if site:
            return site not in (b"same-origin", b"none")
        return bool(origin) and origin.partition(b"://")[2] != host


@lru_cache(maxsize=256)
def is_known_host(host: str, server: str, allowed: tuple[str, ...]) -> bool:
    """Whether the Host of a request that arrived at an address is one that the service goes by.

    Anybody's name may lead to the address of a service that is to be reached from outside: such a one knows its names
    only when it is told. One that is asked by way of the loopback interface is not: it goes by that interface's names.
    """
    if not host or "*" in allowed or not (allowed or _is_loopback(server)):
        return True
    if (parts := _HOST.fullmatch(host)) is None:
        return False
    name = (parts["address"] or parts["name"]).removesuffix(".")
    return _is_loopback(name) or name == server or any(_matches(name, each) for each in allowed)


def _is_loopback(name: str) -> bool:
    address = _address(name)
    if address is None:
        return name == "localhost" or name.endswith(".localhost")
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback or address.is_unspecified  # 0.0.0.0 leads to loopback


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _matches(name: str, pattern: str) -> bool:
    """A pattern is a name, or `*.` and a name for all that end in it."""
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern
