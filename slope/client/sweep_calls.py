"""Every call about sweeps, said once for both clients."""

from time import monotonic

from slope.client.exchange import SUBMIT_SECONDS, Call, Listing, Request, key_header, repeat, request_json
from slope.client.problem import Json, checked

_LOOK_SECONDS = 0.2
"""A sweep cannot be waited for as a job can: it is asked for so often."""


def submit_sweep(request: Json, *, idempotency_key: str | None = None, timeout: float = SUBMIT_SECONDS) -> Call[Json]:
    """Queue up to 10,000 jobs on one dataset, all or none. With a key a repeated call makes no second sweep.

    While the service is away the request is made again until the timeout, with a key of its own where none is given.
    """
    headers = key_header(idempotency_key)
    return request_json("POST", "/v1/sweeps", json=request, headers=headers, repeat_seconds=timeout)


def sweep(sweep_id: str) -> Call[Json]:
    """The sweep as it stands, with the first page of its ranking."""
    return request_json("GET", f"/v1/sweeps/{sweep_id}")


def sweeps() -> Listing:
    """All sweeps, newest first, page by page."""
    return Listing("/v1/sweeps")


def ranking(sweep_id: str, by: str | None = None) -> Listing:
    """The jobs of a sweep from the smallest loss up; `by` is `loss` or `validation_loss`."""
    parameters = {"limit": "1000"} | ({"by": by} if by else {})
    return Listing(f"/v1/sweeps/{sweep_id}", parameters, member="ranking")


def wait_for_sweep(sweep_id: str, timeout: float = 3600.0) -> Call[Json]:
    """The sweep when all of its jobs have ended. While the service is away it is asked again. Raises TimeoutError."""
    deadline = monotonic() + timeout
    found = yield from request_json("GET", f"/v1/sweeps/{sweep_id}", repeat_seconds=timeout)
    while found["progress"]["jobs_ended"] < found["progress"]["jobs"]:
        if (left := deadline - monotonic()) <= 0:
            raise TimeoutError(f"Sweep {sweep_id} has not ended after {timeout:g} s: {found['counts']}")
        request = Request("GET", f"/v1/sweeps/{sweep_id}", delay=_LOOK_SECONDS)
        found = checked((yield from repeat(request, left))).json()
    return found


def cancel_sweep(sweep_id: str) -> Call[Json]:
    """End every job of a sweep."""
    return request_json("POST", f"/v1/sweeps/{sweep_id}/cancel")


def delete_sweep(sweep_id: str) -> Call[None]:
    """Delete a sweep with all its jobs."""
    checked((yield Request("DELETE", f"/v1/sweeps/{sweep_id}")))
