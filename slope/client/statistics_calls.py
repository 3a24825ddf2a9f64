"""Every call about the statistics of a fit, said once for both clients.

Of large data a worker looks at every row for some of them: the call waits for it.
"""

import math
from time import monotonic
from typing import Any

import httpx2

from slope.client.calls import HOLD_SECONDS
from slope.client.exchange import Call, Request, repeat, retry_after
from slope.client.problem import Json, checked

_UNDERWAY = 202


def statistics(job_id: str, *, timeout: float = 3600.0, **options: Any) -> Call[Json]:
    """How sure the exact solution is: standard errors, t, p and intervals of every coefficient, and the fit as a whole.

    Options are those of `GET /v1/jobs/{id}/statistics`: `level` and `covariance`. Raises TimeoutError where a worker
    has not looked at all rows in time.
    """
    return _json(job_id, "statistics", options, timeout)


def statistics_table(job_id: str, *, timeout: float = 3600.0, **options: Any) -> Call[str]:
    """The same as text for a terminal."""
    return _text(job_id, "statistics", options, timeout)


def influence(job_id: str, *, timeout: float = 3600.0, **options: Any) -> Call[Json]:
    """Which rows hold the line. Options are those of `GET /v1/jobs/{id}/influence`: `top` and `by`.

    Raises TimeoutError as `statistics` does.
    """
    return _json(job_id, "influence", options, timeout)


def influence_table(job_id: str, *, timeout: float = 3600.0, **options: Any) -> Call[str]:
    """The same as text for a terminal."""
    return _text(job_id, "influence", options, timeout)


def path(job_id: str, *, timeout: float = 3600.0, **options: Any) -> Call[Json]:
    """The exact solution under 100 penalties, and which is best.

    Options are those of `GET /v1/jobs/{id}/path`: `penalty`, `l1_ratio` and `folds`. Raises TimeoutError as
    `statistics` does.
    """
    return _json(job_id, "path", options, timeout)


def _json(job_id: str, what: str, options: Json, timeout: float) -> Call[Json]:
    body: Json = (yield from _when_there(job_id, what, options, timeout)).json()
    return body


def _text(job_id: str, what: str, options: Json, timeout: float) -> Call[str]:
    return (yield from _when_there(job_id, what, options | {"format": "text"}, timeout)).text


def _when_there(job_id: str, what: str, options: Json, timeout: float) -> Call[httpx2.Response]:
    """The answer when a worker has looked at every row, where that takes one. `Location` is where it is asked for."""
    deadline, delay = monotonic() + timeout, 0.0
    while True:
        hold = max(0.0, min(HOLD_SECONDS, deadline - monotonic()))
        asked = {"params": options, "headers": {"Prefer": f"wait={math.ceil(hold)}"}}
        request = Request("GET", f"/v1/jobs/{job_id}/{what}", asked, delay)
        response = checked((yield from repeat(request, hold)))
        if response.status_code != _UNDERWAY:
            return response
        delay = retry_after(response)
        if monotonic() + delay >= deadline:
            raise TimeoutError(f"A worker still looks at the rows of job {job_id} after {timeout:g} s: ask again later")
