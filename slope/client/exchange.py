"""What calls are made of: requests, pages of items, and answers that go to files.

A call is a generator: it yields requests, is sent their responses, and returns its result. Its runner does the waiting,
and throws into it what went wrong on the way.
"""

import logging
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import uniform
from time import monotonic
from typing import Any, BinaryIO, TypeVar
from uuid import uuid4

import httpx2

from slope.client.problem import Json, checked

Result = TypeVar("Result")


@dataclass(frozen=True)
class Request:
    """What httpx2's `request` is called with."""

    method: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds to let pass before it is made."""


Call = Generator[Request, httpx2.Response, Result]

SUBMIT_SECONDS = 20.0
"""How long a submission is repeated while the service is away: it is restarted in less."""

_LOST = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError, httpx2.ProxyError)
"""What a request comes to where nobody answers, or the connection ends before the answer."""
_AWAY = (429, 502, 503, 504)
"""Statuses of a service, or of a proxy before it, that may answer in a moment."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listing:
    """Items that come page by page."""

    path: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    member: str | None = None
    """The member of the answer that is the page, where it is not all of it."""

    def page(self, following: str) -> Call[Json]:
        begin = {"after": following} if following else {}
        answer = yield from request_json("GET", self.path, params={**self.parameters, **begin})
        page: Json = answer if self.member is None else answer[self.member]
        return page


@dataclass(frozen=True)
class Download:
    """An answer that goes to a file as it comes. The file has its name when it is whole."""

    request: Request
    file: Path

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """The file under another name until the block has ended well."""
        partial = self.file.with_name(self.file.name + ".part")
        try:
            with partial.open("wb") as opened:
                yield opened
            partial.replace(self.file)
        finally:
            partial.unlink(missing_ok=True)


def request_json(method: str, path: str, *, repeat_seconds: float = 0.0, **options: Any) -> Call[Json]:
    """The body of an answer. Raises Problem."""
    response = yield from repeat(Request(method, path, options), repeat_seconds)
    body: Json = checked(response).json()
    return body


def repeat(request: Request, seconds: float) -> Call[httpx2.Response]:
    """The answer to a request that does no harm when it is made again. While the service is away, it is, for this long.

    It is away where a connection is refused or lost, and where it says so: by 429, 502, 503, 504, or by Retry-After.
    When the time is over, the last answer is given, or the last error raised.
    """
    end, pause = monotonic() + seconds, _FIRST_PAUSE
    while True:
        try:
            response = yield request
        except _LOST as error:
            if monotonic() + pause > end:
                raise
            reason, delay = str(error), pause
        else:
            delay = max(pause, retry_after(response))
            if not _is_away(response) or monotonic() + delay > end:
                return response
            reason = f"it answered {response.status_code}"
        if pause == _FIRST_PAUSE:
            log.warning("The service is away (%s): trying again", reason)
        # Longer or shorter by chance: those who lost their connections together are not to come back together.
        request = replace(request, delay=delay * uniform(1.0, 1.5))  # noqa: S311
        pause = min(2 * pause, _LONGEST_PAUSE)


def _is_away(response: httpx2.Response) -> bool:
    return response.status_code in _AWAY or (response.is_error and "retry-after" in response.headers)


def retry_after(response: httpx2.Response) -> float:
    """In seconds; a date, as some proxies give it, counts as none."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else 0.0


def with_scheme(url: str) -> str:
    """The address of a service as a URL. Without a scheme, as in `localhost:8000`, it is one of HTTP."""
    return url if "://" in url else f"http://{url}"


def key_header(idempotency_key: str | None) -> dict[str, str]:
    """With a key of its own where none is given: so the request can be made again."""
    return {"Idempotency-Key": idempotency_key or uuid4().hex}
