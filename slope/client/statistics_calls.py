"""Every call about the statistics of a fit, said once for both clients."""

from typing import Any

from slope.client.exchange import Call, Request, request_json
from slope.client.problem import Json, checked


def statistics(job_id: str, **options: Any) -> Call[Json]:
    """How sure the exact solution is: standard errors, t, p and intervals of every coefficient, and the fit as a whole.

    Options are those of `GET /v1/jobs/{id}/statistics`, as `level`.
    """
    return request_json("GET", f"/v1/jobs/{job_id}/statistics", params=options)


def statistics_table(job_id: str, **options: Any) -> Call[str]:
    """The same as text for a terminal."""
    return _text(f"/v1/jobs/{job_id}/statistics", options)


def influence(job_id: str, **options: Any) -> Call[Json]:
    """Which rows hold the line. Options are those of `GET /v1/jobs/{id}/influence`: `top` and `by`."""
    return request_json("GET", f"/v1/jobs/{job_id}/influence", params=options)


def influence_table(job_id: str, **options: Any) -> Call[str]:
    """The same as text for a terminal."""
    return _text(f"/v1/jobs/{job_id}/influence", options)


def path(job_id: str, **options: Any) -> Call[Json]:
    """The exact solution under 100 penalties, and which is best.

    Options are those of `GET /v1/jobs/{id}/path`: `penalty`, `l1_ratio` and `folds`.
    """
    return request_json("GET", f"/v1/jobs/{job_id}/path", params=options)


def _text(path: str, options: Json) -> Call[str]:
    return checked((yield Request("GET", path, {"params": options | {"format": "text"}}))).text
