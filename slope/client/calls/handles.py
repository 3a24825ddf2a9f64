"""What is done with a job by its handle, said once for both clients."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from slope.answers.jobs import JobView
from slope.answers.path import Path
from slope.answers.records import EpochView
from slope.answers.statistics import Influence, Statistics
from slope.answers.surface import Surface
from slope.client.calls import jobs
from slope.client.calls import statistics as fits
from slope.client.exchange.exchange import Call, Request
from slope.client.frames import rows_to_predict
from slope.client.handle import Handle
from slope.client.history.history import History
from slope.client.problem import checked

_ARROW, _LINES = "application/vnd.apache.arrow.stream", "application/x-ndjson"
_POINTS = 1000
"""Of a request for predictions."""


def refresh(job: Handle) -> Call[None]:
    """Ask how the job stands."""
    job.view = yield from jobs.job(job.id)


def until_ended(job: Handle, timeout: float, on_change: Callable[[JobView], object]) -> Call[None]:
    """Wait for the end. Raises TimeoutError."""
    job.view = yield from jobs.wait(job.id, timeout, on_change=on_change)


def cancel(job: Handle) -> Call[None]:
    """End it: immediately while it waits, at its next flush while it runs."""
    job.view = yield from jobs.cancel(job.id)


def pause(job: Handle) -> Call[None]:
    """Pause it: immediately while it waits, at its next flush while it runs."""
    job.view = yield from jobs.pause(job.id)


def resume(job: Handle) -> Call[None]:
    """Let it go on where it was paused."""
    job.view = yield from jobs.resume(job.id)


def delete(job: Handle) -> Call[None]:
    """Delete it with all its records. It must not run."""
    return jobs.delete(job.id)


def curve(job: Handle, points: int = 200) -> Call[list[EpochView]]:
    """At most this many epochs, the extremes of the loss among them: enough to draw it."""
    return jobs.curve(job.id, points)


def history(job: Handle) -> Call[History]:
    """Every recorded epoch as columns, for NumPy, Arrow, pandas or polars. With pyarrow here, many come faster."""
    accepted = _LINES if find_spec("pyarrow") is None else f"{_ARROW}, {_LINES};q=0.5"
    request = Request("GET", f"/v1/jobs/{job.id}/epochs", {"headers": {"Accept": accepted}}, repeat_seconds=None)
    answer = checked((yield request))
    is_arrow = answer.headers.get("content-type", "").startswith(_ARROW)
    return (History.of_arrow if is_arrow else History.of)(answer.content)


def predict(job: Handle, x: Any, *, epoch: int | None = None) -> Call[list[float | None]]:
    """What the model says of points: numbers, rows, or a frame that has the job's features among its columns.

    None is what a double cannot hold. With an epoch, the model after that epoch.
    """
    rows = rows_to_predict(x, job.dataset.columns)
    found: list[float | None] = []
    for start in range(0, len(rows), _POINTS):
        part = yield from jobs.predict(job.id, rows[start : start + _POINTS], epoch=epoch)
        found += [each.after for each in part]
    return found


def statistics(job: Handle, /, *, timeout: float = 3600.0, **options: Any) -> Call[Statistics]:
    """How sure the exact solution is, with the options of the client's `statistics`: `level` and `covariance`."""
    return fits.statistics(job.id, timeout=timeout, **options)


def influence(job: Handle, /, *, timeout: float = 3600.0, **options: Any) -> Call[Influence]:
    """Which rows hold the line, with the options of the client's `influence`: `top` and `by`."""
    return fits.influence(job.id, timeout=timeout, **options)


def path(job: Handle, /, *, timeout: float = 3600.0, **options: Any) -> Call[Path]:
    """The exact solution under 100 penalties, with the options of the client's `path`: `penalty`, `l1_ratio` and
    `folds`."""
    return fits.path(job.id, timeout=timeout, **options)


def surface(job: Handle, /, *, timeout: float = 3600.0, **options: Any) -> Call[Surface]:
    """The loss over two parameters, with the options of the client's `surface`: `x`, `y` and `epoch`."""
    return fits.surface(job.id, timeout=timeout, **options)
