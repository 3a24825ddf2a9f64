"""Every call about sweeps, said once for both clients."""

from collections.abc import Callable
from time import monotonic

from slope.answers.sweeps import RankedSweepView, RankedView, SweepView
from slope.client.exchange.exchange import Call, Document, Id, Listing, ask, change, given, key_header, read, send

_LOOK_SECONDS = 0.2
"""A sweep cannot be waited for as a job can: it is asked for this often."""


def _ignore(_: object) -> None:
    pass


def submit_sweep(
    request: Document, *, idempotency_key: str | None = None, timeout: float | None = None
) -> Call[SweepView]:
    """Queue up to 10,000 jobs on one dataset, all or none. With a key a repeated call makes no second sweep.

    While the service is away the request is made again until the timeout, or for as long as the client says, with a
    key of its own where none is given.
    """
    headers = key_header(idempotency_key)
    return change(SweepView, "POST", "/v1/sweeps", json=request, headers=headers, repeat_seconds=timeout)


def sweep(sweep_id: Id) -> Call[RankedSweepView]:
    """The sweep as it stands, with the first page of its ranking."""
    return ask(RankedSweepView, f"/v1/sweeps/{sweep_id}")


def sweeps() -> Listing[SweepView]:
    """All sweeps, newest first, page by page."""
    return Listing.of(SweepView, "/v1/sweeps")


def ranking(sweep_id: Id, by: str | None = None) -> Listing[RankedView]:
    """The jobs of a sweep from the smallest loss up; `by` is `loss`, `training_loss`,
    `validation_loss` or `cross_validation`, and where it is left out the service chooses."""
    parameters = {"limit": "1000", **given(by=by)}
    return Listing(f"/v1/sweeps/{sweep_id}", lambda content: read(RankedSweepView, content).ranking, parameters)


def wait_for_sweep(
    sweep_id: Id, timeout: float = 3600.0, *, on_look: Callable[[RankedSweepView], object] = _ignore
) -> Call[RankedSweepView]:
    """The sweep when all of its jobs have ended. `on_look` is called with the sweep as it stands. Raises TimeoutError.

    While the service is away it is asked again.
    """
    deadline, path = monotonic() + timeout, f"/v1/sweeps/{sweep_id}"
    found = yield from change(RankedSweepView, "GET", path, repeat_seconds=timeout)
    on_look(found)
    while found.progress.jobs_ended < found.progress.jobs:
        if (left := deadline - monotonic()) <= 0:
            raise TimeoutError(f"Sweep {sweep_id} has not ended after {timeout:g} s: {found.counts}")
        found = yield from change(RankedSweepView, "GET", path, delay=_LOOK_SECONDS, repeat_seconds=left)
        on_look(found)
    return found


def cancel_sweep(sweep_id: Id) -> Call[SweepView]:
    """End every job of a sweep."""
    return change(SweepView, "POST", f"/v1/sweeps/{sweep_id}/cancel")


def delete_sweep(sweep_id: Id) -> Call[None]:
    """Delete a sweep with all its jobs."""
    return send("DELETE", f"/v1/sweeps/{sweep_id}")
