"""Every call about the statistics of a fit, said once for both clients.

Of large data a worker looks at every row for some of them: the call waits for it.
"""

import math
from time import monotonic
from typing import Any

import httpx2

from slope.answers.path import Path
from slope.answers.statistics import Influence, Statistics
from slope.answers.surface import Surface
from slope.client.calls.jobs import HOLD_SECONDS
from slope.client.exchange.exchange import Call, Id, Json, Request, Result, read
from slope.client.exchange.persistence import retry_after
from slope.client.problem import checked

_UNDERWAY = 202


def statistics(job_id: Id, *, timeout: float = 3600.0, **options: Any) -> Call[Statistics]:
    """How sure the exact solution is: standard errors, t, p and intervals of every coefficient, and the fit as a whole.

    Options are those of `GET /v1/jobs/{id}/statistics`: `level` and `covariance`. Raises TimeoutError where a worker
    has not looked at all rows in time.
    """
    return _read(job_id, Statistics, "statistics", options, timeout)


def statistics_table(job_id: Id, *, timeout: float = 3600.0, **options: Any) -> Call[str]:
    """The same as text for a terminal."""
    return _text(job_id, "statistics", options, timeout)


def influence(job_id: Id, *, timeout: float = 3600.0, **options: Any) -> Call[Influence]:
    """Which rows hold the line. Options are those of `GET /v1/jobs/{id}/influence`: `top` and `by`.

    Raises TimeoutError as `statistics` does.
    """
    return _read(job_id, Influence, "influence", options, timeout)


def influence_table(job_id: Id, *, timeout: float = 3600.0, **options: Any) -> Call[str]:
    """The same as text for a terminal."""
    return _text(job_id, "influence", options, timeout)


def path(job_id: Id, *, timeout: float = 3600.0, **options: Any) -> Call[Path]:
    """The exact solution under 100 penalties, and which is best.

    Options are those of `GET /v1/jobs/{id}/path`: `penalty`, `l1_ratio` and `folds`. Raises TimeoutError as
    `statistics` does.
    """
    return _read(job_id, Path, "path", options, timeout)


def surface(job_id: Id, *, timeout: float = 3600.0, **options: Any) -> Call[Surface]:
    """The loss where two parameters move and the others are held.

    Options are those of `GET /v1/jobs/{id}/surface`: `x`, `y` and `epoch`. Raises TimeoutError as `statistics` does.
    """
    return _read(job_id, Surface, "surface", options, timeout)


def _read(job_id: Id, kind: type[Result], what: str, options: Json, timeout: float) -> Call[Result]:
    return read(kind, (yield from _when_there(job_id, what, options, timeout)).content)


def _text(job_id: Id, what: str, options: Json, timeout: float) -> Call[str]:
    return (yield from _when_there(job_id, what, options | {"format": "text"}, timeout)).text


def _when_there(job_id: Id, what: str, options: Json, timeout: float) -> Call[httpx2.Response]:
    """The answer when a worker has looked at every row, where that takes one. `Location` is where it is asked for."""
    deadline, delay = monotonic() + timeout, 0.0
    while True:
        hold = max(0.0, min(HOLD_SECONDS, deadline - monotonic()))
        asked = {"params": options, "headers": {"Prefer": f"wait={math.ceil(hold)}"}}
        response = checked((yield Request("GET", f"/v1/jobs/{job_id}/{what}", asked, delay, hold)))
        if response.status_code != _UNDERWAY:
            return response
        delay = retry_after(response)
        if monotonic() + delay >= deadline:
            raise TimeoutError(f"A worker still looks at the rows of job {job_id} after {timeout:g} s: ask again later")
