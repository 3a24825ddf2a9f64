"""Requests that are made again while the service is away, as while it is restarted.

It is away where a connection is refused or lost, and where it says so: by 429, 502, 503, 504, or by Retry-After.
"""

import logging
from dataclasses import replace
from functools import partial
from random import uniform
from time import monotonic

import httpx2

from slope.client.exchange.exchange import Call, Request, Result
from slope.client.exchange.unreachable import addressed

RETRY_SECONDS = 20.0
"""How long a request that does no harm when it is made again is repeated: the service is restarted in less."""

LOST = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError, httpx2.ProxyError)
"""What a request comes to where nobody answers, or the connection ends before the answer."""
_TOO_MANY = 429
_AWAY = (_TOO_MANY, 502, 503, 504)
"""Statuses of a service, or of a proxy before it, that may answer in a moment."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0

log = logging.getLogger(__name__)


def persistent(call: Call[Result], seconds: float) -> Call[Result]:
    """The call, whose requests are made again while the service is away; those that say no time, for these seconds."""
    step = partial(next, call)
    while True:
        try:
            request: Request = step()
        except StopIteration as end:
            result: Result = end.value
            return result
        try:
            response = yield from repeat(request, seconds if request.repeat_seconds is None else request.repeat_seconds)
        except httpx2.TransportError as error:
            step = partial(call.throw, error)
        else:
            step = partial(call.send, response)


def repeat(request: Request, seconds: float) -> Call[httpx2.Response]:
    """The answer to a request that does no harm when it is made again. While the service is away, it is, for this long.

    When the time is over, the last answer is given, or the last error raised.
    """
    end, pause = monotonic() + seconds, FIRST_PAUSE
    while True:
        try:
            with addressed():
                response = yield request
        except LOST as error:
            if monotonic() + pause > end:
                raise
            reason, delay = f"The service is away ({error})", pause
        else:
            delay = max(pause, retry_after(response))
            if not is_away(response) or monotonic() + delay > end:
                return response
            reason = _refusal(response.status_code)
        if pause == FIRST_PAUSE:
            log.warning("%s: trying again", reason)
        request = replace(request, delay=jittered(delay))
        pause = min(2 * pause, LONGEST_PAUSE)


def _refusal(status: int) -> str:
    if status == _TOO_MANY:
        return "The service takes no more for now (it answered 429)"
    return f"The service is away (it answered {status})"


def is_away(response: httpx2.Response) -> bool:
    return response.status_code in _AWAY or (response.is_error and "retry-after" in response.headers)


def retry_after(response: httpx2.Response) -> float:
    """In seconds; a date, as some proxies give it, counts as none."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else 0.0


def jittered(delay: float) -> float:
    """Longer by chance: those who lost their connections together are not to come back together."""
    return delay * uniform(1.0, 1.5)  # noqa: S311
