"""How a connection refuses a request before any work is done: with a problem, after which it closes."""

from collections.abc import Iterable
from http import HTTPStatus
from math import inf
from time import monotonic
from typing import Any

import structlog

from service.api.guards.origins import HEADERS
from service.api.problems import problem_response
from service.errors import ServiceError

_LOG_AGAIN_SECONDS = 10.0

log = structlog.get_logger()


def write_refusal(
    error: ServiceError, url: bytes, root_path: str, default_headers: Iterable[tuple[bytes, bytes]]
) -> bytes:
    """The answer to a request for `url`, as HTTP/1.1 writes it."""
    answer = problem_response({"path": url.decode("latin-1"), "root_path": root_path}, error)
    status = HTTPStatus(error.status)
    headers = [*default_headers, *answer.raw_headers, *HEADERS, (b"connection", b"close")]
    lines = [b"HTTP/1.1 %d %b" % (status, status.phrase.encode()), *(b"%b: %b" % header for header in headers)]
    return b"\r\n".join([*lines, b"", bytes(answer.body)])


class CrowdLog:
    """Says every ten seconds that there are too many, while it lasts, so that an operator finds the reason."""

    def __init__(self) -> None:
        self._logged_at = -inf

    def warn(self, event: str, **what: Any) -> None:
        if monotonic() > self._logged_at + _LOG_AGAIN_SECONDS:
            self._logged_at = monotonic()
            log.warning(f"{event}: more are answered 503", **what)
