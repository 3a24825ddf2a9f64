"""Every call about jobs, said once for both clients."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from slope.answers.events import EventView
from slope.answers.health import Readiness
from slope.answers.jobs import ChangesView, DraftView, JobView
from slope.answers.models import ModelView
from slope.answers.predictions import InvocationAnswer, PredictionView, ScoringView
from slope.answers.records import EpochView, StepView
from slope.answers.view import Page
from slope.answers.workers import WorkerView
from slope.client.exchange.exchange import (
    Call,
    Document,
    Download,
    Id,
    Json,
    Listing,
    Request,
    Result,
    ask,
    change,
    given,
    key_header,
    read,
    send,
)
from slope.statuses import FINAL

HOLD_SECONDS = 30
"""How long the service is asked to hold an answer back until there is something new."""
_FORMATS = {".json": "json", ".csv": "csv", ".ndjson": "ndjson", ".arrow": "arrow", ".parquet": "parquet"} | {
    ".safetensors": "safetensors",
    ".onnx": "onnx",
    ".skops": "skops",
}


def _ignore(_: object) -> None:
    pass


def submit(request: Document, *, idempotency_key: str | None = None, timeout: float | None = None) -> Call[JobView]:
    """Queue a job. With a key a repeated call makes no second job.

    While the service is away the request is made again until the timeout, or for as long as the client says, with a
    key of its own where none is given.
    """
    headers = key_header(idempotency_key)
    return change(JobView, "POST", "/v1/jobs", json=request, headers=headers, repeat_seconds=timeout)


def plan(request: Document) -> Call[DraftView]:
    """What a job would do: engine, steps, recorded numbers, the exact solution, stability limits. Queues nothing."""
    return change(DraftView, "POST", "/v1/plan", json=request, repeat_seconds=None)


def job(job_id: Id, *, wait: float = 0.0) -> Call[JobView]:
    """A job as it stands, or when it next changes: at the latest after this many whole seconds."""
    headers = {"Prefer": f"wait={math.ceil(wait)}"} if wait else {}
    return ask(JobView, f"/v1/jobs/{job_id}", headers=headers)


def wait(job_id: Id, timeout: float = 3600.0, *, on_change: Callable[[JobView], object] = _ignore) -> Call[JobView]:
    """The job when it has ended. `on_change` is called with the job whenever it has changed. Raises TimeoutError.

    While the service is away it is asked again. Where it is still away at the end of the timeout, the last error is
    raised, or the last refusal as Problem.
    """
    deadline, path = monotonic() + timeout, f"/v1/jobs/{job_id}"
    found = yield from change(JobView, "GET", path, repeat_seconds=timeout)
    on_change(found)
    while found.status not in FINAL:
        if (left := deadline - monotonic()) <= 0:
            raise TimeoutError(f"Job {job_id} is still {found.status} after {timeout:g} s")
        preference = {"Prefer": f"wait={math.ceil(min(HOLD_SECONDS, left))}"}
        found = yield from change(JobView, "GET", path, headers=preference, repeat_seconds=left)
        on_change(found)
    return found


def cancel(job_id: Id) -> Call[JobView]:
    """End a job: immediately while it waits, at its next flush while it runs."""
    return change(JobView, "POST", f"/v1/jobs/{job_id}/cancel")


def pause(job_id: Id) -> Call[JobView]:
    """Pause a job: immediately while it waits, at its next flush while it runs. `wait` waits on meanwhile."""
    return change(JobView, "POST", f"/v1/jobs/{job_id}/pause")


def resume(job_id: Id) -> Call[JobView]:
    """Put a paused job back into the queue. It goes on where it was, to the same bits."""
    return change(JobView, "POST", f"/v1/jobs/{job_id}/resume")


def rerun(
    job_id: Id, patch: Json | None = None, *, idempotency_key: str | None = None, timeout: float | None = None
) -> Call[JobView]:
    """Queue a job again as a new one, with the changes of a merge patch of its request. It is sent as `submit` is."""
    path, headers = f"/v1/jobs/{job_id}/rerun", key_header(idempotency_key)
    return change(JobView, "POST", path, json=patch or {}, headers=headers, repeat_seconds=timeout)


def describe(job_id: Id, **values: Any) -> Call[JobView]:
    """Change a job's `name` and `metadata`: a merge patch, in which None takes away."""
    return change(JobView, "PATCH", f"/v1/jobs/{job_id}", json=values)


def cancel_jobs(*, dry_run: bool = False, **filters: Any) -> Call[ChangesView]:
    """Cancel the jobs of the filters of `jobs`, at most 1,000; `remaining` says how many are left."""
    return change(ChangesView, "POST", "/v1/jobs/cancel", params=filters | {"dry_run": dry_run})


def delete_jobs(*, dry_run: bool = False, **filters: Any) -> Call[ChangesView]:
    """Delete the jobs of the filters of `jobs` that do not run, at most 1,000; `remaining` says how many are left."""
    return change(ChangesView, "DELETE", "/v1/jobs", params=filters | {"dry_run": dry_run})


def delete(job_id: Id) -> Call[None]:
    """Delete a job with all its records."""
    return send("DELETE", f"/v1/jobs/{job_id}")


def jobs(**filters: Any) -> Listing[JobView]:
    """All jobs, newest first, page by page; or those of filters, in the order of `sort`."""
    return Listing.of(JobView, "/v1/jobs", filters)


def epochs(job_id: Id) -> Listing[EpochView]:
    """All epochs, page by page."""
    return Listing.of(EpochView, f"/v1/jobs/{job_id}/epochs")


def curve(job_id: Id, points: int) -> Call[list[EpochView]]:
    """At most this many epochs, the extremes of the loss among them: enough to draw it."""
    return (yield from ask(Page[EpochView], f"/v1/jobs/{job_id}/epochs", params={"points": points})).data


def steps(job_id: Id, epoch: int) -> Listing[StepView]:
    """All steps of an epoch, page by page."""
    return Listing.of(StepView, f"/v1/jobs/{job_id}/epochs/{epoch}/steps")


def recorded_steps(job_id: Id) -> Listing[StepView]:
    """The recorded steps of all epochs, page by page: the path of the run, update by update."""
    return Listing.of(StepView, f"/v1/jobs/{job_id}/steps", {"limit": "1000"})


def events(job_id: Id) -> Listing[EventView]:
    """What has happened to a job, page by page: changes of its status, and warnings. `watch` tells them live."""
    return Listing.of(EventView, f"/v1/jobs/{job_id}/events")


def predictions(job_id: Id) -> Call[list[PredictionView]]:
    """The predictions for the points of the job."""
    return (yield from ask(Page[PredictionView], f"/v1/jobs/{job_id}/predictions")).data


def predict(
    job_id: Id,
    x: Sequence[Any],
    *,
    epoch: int | None = None,
    interval: Json | None = None,
    timeout: float = 3600.0,
) -> Call[list[PredictionView]]:
    """Predictions for points: numbers, or rows of D numbers. With `interval`, `{"kind": …, "level": …}`, their bounds.

    Of large data a worker may have to look at every row for those: it is waited for, at most `timeout` seconds.
    """
    asked = {"x": list(x), **given(epoch=epoch, interval=interval)}
    return (yield from _predict(Page[PredictionView], job_id, asked, timeout)).data


def score(
    job_id: Id, dataset: Json, *, epoch: int | None = None, interval: Json | None = None, timeout: float = 3600.0
) -> Call[ScoringView]:
    """Predictions for the rows of a stored dataset, `{"id": …}`, and how well they fit its target; with bounds as
    `predict` has them."""
    return _predict(ScoringView, job_id, {"dataset": dataset, **given(epoch=epoch, interval=interval)}, timeout)


def _predict(kind: type[Result], job_id: Id, asked: Json, timeout: float) -> Call[Result]:
    """It changes nothing, so it is made again as a GET is.

    The API says by 503 and Retry-After that a worker looks at the rows.
    """
    seconds = timeout if "interval" in asked else None
    return change(kind, "POST", f"/v1/jobs/{job_id}/predict", json=asked, repeat_seconds=seconds)


def invoke(job_id: Id, table: bytes) -> Call[InvocationAnswer]:
    """Predictions for the rows of a CSV whose header names the features."""
    path, headers = f"/v1/jobs/{job_id}/invocations", {"Content-Type": "text/csv"}
    return change(InvocationAnswer, "POST", path, content=table, headers=headers, repeat_seconds=None)


def workers() -> Listing[WorkerView]:
    """The workers of the last day, with the devices that they train on."""
    return Listing.of(WorkerView, "/v1/devices")


def model(job_id: Id, *, epoch: int | None = None) -> Call[ModelView]:
    """The weights and all that belongs to them."""
    return ask(ModelView, f"/v1/jobs/{job_id}/model", params=given(epoch=epoch))


def save_epochs(job_id: Id, file: Path | str) -> Download:
    """All epochs as a file: .csv, .ndjson or .arrow."""
    return _download(file, "GET", f"/v1/jobs/{job_id}/epochs")


def save_steps(job_id: Id, epoch: int, file: Path | str) -> Download:
    """All steps of an epoch as a file: .csv, .ndjson or .arrow."""
    return _download(file, "GET", f"/v1/jobs/{job_id}/epochs/{epoch}/steps")


def save_scores(job_id: Id, dataset: Json, file: Path | str, *, epoch: int | None = None) -> Download:
    """Predictions for the rows of a stored dataset as a file: .csv, .ndjson, .arrow, .parquet or .json."""
    wanted = {"dataset": dataset, **given(epoch=epoch)}
    return _download(file, "POST", f"/v1/jobs/{job_id}/predict", json=wanted)


def save_model(job_id: Id, file: Path | str, *, epoch: int | None = None) -> Download:
    """The model as a file: .safetensors, .onnx, .skops or .json."""
    return _download(file, "GET", f"/v1/jobs/{job_id}/model", parameters=given(epoch=epoch))


def readiness() -> Call[Readiness]:
    """What /readyz says, ready or not."""
    return read(Readiness, (yield Request("GET", "/readyz")).content)


def _download(file: Path | str, method: str, path: str, *, parameters: Json | None = None, **options: Any) -> Download:
    format = _FORMATS.get(Path(file).suffix)
    if format is None:
        raise ValueError(f"The name of the file says which format it has: {', '.join(_FORMATS)}")
    return Download(Request(method, path, {"params": {"format": format} | (parameters or {}), **options}), Path(file))
