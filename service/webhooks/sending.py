"""Sending a message: to an address that was looked up and checked just now, once, in time, and without redirects."""

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from ssl import SSLContext
from typing import Any

from anyio import fail_after, to_thread
from httpcore2 import (
    AnyIOBackend,
    AsyncConnectionPool,
    AsyncNetworkStream,
    ConnectError,
    ConnectTimeout,
    default_ssl_context,
)

from service.webhooks.destinations import refuse_private
from slope import __version__

DEADLINE_SECONDS = 10.0
"""From the look-up of the address to the head of the answer."""
_CONNECT_SECONDS = 4.0
"""For each of a host's addresses."""
_HEADERS = {"content-type": "application/json", "user-agent": f"Slope/{__version__}"}
_LONGEST_ERROR = 500


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int | None = None
    """None where there was no answer."""
    error: str | None = None
    """Why the message counts as not accepted."""
    retry_after: float = 0.0
    """Seconds that the receiver asks to be left in peace for."""


async def send_message(
    url: str, headers: Mapping[str, str], body: bytes, *, moment: datetime, allow_private: bool
) -> Answer:
    """Send a message once. Whatever goes wrong is in the answer.

    `moment` is when the message was looked up, by the clock that all hosts share.
    """
    try:
        with fail_after(DEADLINE_SECONDS):
            network = CheckedNetwork(allow_private=allow_private)
            status, found = await _post(url, _HEADERS | dict(headers), body, network)
        return _answer(status, found, moment)
    except TimeoutError:
        return Answer(error=f"There was no answer within {DEADLINE_SECONDS:g} s")
    except Exception as error:  # whatever a receiver and the way to it do, it is no fault of who sends
        return Answer(error=(str(error) or type(error).__name__)[:_LONGEST_ERROR])


class CheckedNetwork(AnyIOBackend):
    """Connects to the addresses that were checked, whatever the host's name stands for a moment later.

    The name itself stays in the Host header and in TLS.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # as httpcore2 has it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        addresses = await _addresses_of(host, port)
        if not self._allow_private:
            refuse_private(host, addresses)
        failure: Exception | None = None
        for address in addresses:
            try:
                return await super().connect_tcp(address, port, _CONNECT_SECONDS, local_address, socket_options)
            except (ConnectError, ConnectTimeout) as error:
                failure = error
        raise ConnectError(f"There is no connection to {host}: {failure or 'it has no address'}")


async def _addresses_of(host: str, port: int) -> list[str]:
    """In the order in which they are to be tried."""

    try:
        found = await to_thread.run_sync(_look_up, host, port, abandon_on_cancel=True)
    except (OSError, UnicodeError) as error:
        raise ConnectError(f"{host} is not known: {error}") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _look_up(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def _post(url: str, headers: dict[str, str], body: bytes, network: AnyIOBackend) -> tuple[int, dict[str, str]]:
    """Status and headers of the answer, whose body is not read."""
    async with (
        AsyncConnectionPool(ssl_context=_ssl_context(), network_backend=network) as pool,
        pool.stream("POST", url, headers=list(headers.items()), content=body) as response,
    ):
        found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        return response.status, found


@cache
def _ssl_context() -> SSLContext:
    return default_ssl_context()


def _answer(status: int, headers: Mapping[str, str], moment: datetime) -> Answer:
    if 200 <= status < 300:
        return Answer(status)
    hint = ": redirects are not followed, give the new address" if 300 <= status < 400 else ""
    wish = headers.get("retry-after", "") if status in (429, 503) else ""
    return Answer(status, f"It answered {status}{hint}", _seconds(wish, moment))


def _seconds(retry_after: str, moment: datetime) -> float:
    """What `Retry-After` asks for: a number of seconds, or a date. 0 where it says neither."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - moment).total_seconds())
    except (TypeError, ValueError, OverflowError):  # the last for a year or an offset of twenty digits
        return 0.0
