"""Every call about jobs, said once for both clients."""

import math
from pathlib import Path
from time import monotonic
from typing import Any

from slope.client.exchange import SUBMIT_SECONDS, Call, Download, Listing, Request, key_header, request_json
from slope.client.problem import Json, checked
from slope.statuses import FINAL

HOLD_SECONDS = 30
"""How long the service is asked to hold an answer back until there is something new."""
_FORMATS = {".json": "json", ".csv": "csv", ".ndjson": "ndjson", ".arrow": "arrow", ".parquet": "parquet"} | {
    ".safetensors": "safetensors",
    ".onnx": "onnx",
    ".skops": "skops",
}


def submit(request: Json, *, idempotency_key: str | None = None, timeout: float = SUBMIT_SECONDS) -> Call[Json]:
    """Queue a job. With a key a repeated call makes no second job.

    While the service is away the request is made again until the timeout, with a key of its own where none is given.
    """
    return request_json("POST", "/v1/jobs", json=request, headers=key_header(idempotency_key), repeat_seconds=timeout)


def plan(request: Json) -> Call[Json]:
    """What a job would do: engine, steps, recorded numbers, the exact solution, stability limits. Queues nothing."""
    return request_json("POST", "/v1/plan", json=request)


def job(job_id: str, *, wait: float = 0.0) -> Call[Json]:
    """A job as it stands, or when it next changes: at the latest after this many whole seconds.

    While the service is away, who waits asks again.
    """
    if not wait:
        return request_json("GET", f"/v1/jobs/{job_id}")
    preference = {"Prefer": f"wait={math.ceil(wait)}"}
    return request_json("GET", f"/v1/jobs/{job_id}", headers=preference, repeat_seconds=HOLD_SECONDS)


def wait(job_id: str, timeout: float = 3600.0) -> Call[Json]:
    """The job when it has ended. While the service is away it is asked again. Raises TimeoutError.

    Where it is still away at the end of the timeout, the last error is raised, or the last refusal as Problem.
    """
    deadline = monotonic() + timeout
    found = yield from request_json("GET", f"/v1/jobs/{job_id}", repeat_seconds=timeout)
    while found["status"] not in FINAL:
        if (left := deadline - monotonic()) <= 0:
            raise TimeoutError(f"Job {job_id} is still {found['status']} after {timeout:g} s")
        preference = {"Prefer": f"wait={math.ceil(min(HOLD_SECONDS, left))}"}
        found = yield from request_json("GET", f"/v1/jobs/{job_id}", headers=preference, repeat_seconds=left)
    return found


def cancel(job_id: str) -> Call[Json]:
    """End a job: immediately while it waits, at its next flush while it runs."""
    return request_json("POST", f"/v1/jobs/{job_id}/cancel")


def pause(job_id: str) -> Call[Json]:
    """Pause a job: immediately while it waits, at its next flush while it runs. `wait` waits on meanwhile."""
    return request_json("POST", f"/v1/jobs/{job_id}/pause")


def resume(job_id: str) -> Call[Json]:
    """Put a paused job back into the queue. It goes on where it was, to the same bits."""
    return request_json("POST", f"/v1/jobs/{job_id}/resume")


def rerun(
    job_id: str, patch: Json | None = None, *, idempotency_key: str | None = None, timeout: float = SUBMIT_SECONDS
) -> Call[Json]:
    """Queue a job again as a new one, with the changes of a merge patch of its request. It is sent as `submit` is."""
    headers = key_header(idempotency_key)
    return request_json("POST", f"/v1/jobs/{job_id}/rerun", json=patch or {}, headers=headers, repeat_seconds=timeout)


def describe(job_id: str, **change: Any) -> Call[Json]:
    """Change a job's `name` and `metadata`: a merge patch, in which None takes away."""
    return request_json("PATCH", f"/v1/jobs/{job_id}", json=change)


def cancel_jobs(*, dry_run: bool = False, **filters: Any) -> Call[Json]:
    """Cancel the jobs of the filters of `jobs`, at most 1,000; `remaining` says how many are left."""
    return request_json("POST", "/v1/jobs/cancel", params=filters | {"dry_run": dry_run})


def delete_jobs(*, dry_run: bool = False, **filters: Any) -> Call[Json]:
    """Delete the jobs of the filters of `jobs` that do not run, at most 1,000; `remaining` says how many are left."""
    return request_json("DELETE", "/v1/jobs", params=filters | {"dry_run": dry_run})


def delete(job_id: str) -> Call[None]:
    """Delete a job with all its records."""
    checked((yield Request("DELETE", f"/v1/jobs/{job_id}")))


def jobs(**filters: Any) -> Listing:
    """All jobs, newest first, page by page; or those of filters, in the order of `sort`."""
    return Listing("/v1/jobs", filters)


def epochs(job_id: str) -> Listing:
    """All epochs, page by page."""
    return Listing(f"/v1/jobs/{job_id}/epochs")


def curve(job_id: str, points: int) -> Call[list[Json]]:
    """At most this many epochs, the extremes of the loss among them: enough to draw it."""
    page = yield from request_json("GET", f"/v1/jobs/{job_id}/epochs", params={"points": points})
    found: list[Json] = page["data"]
    return found


def steps(job_id: str, epoch: int) -> Listing:
    """All steps of an epoch, page by page."""
    return Listing(f"/v1/jobs/{job_id}/epochs/{epoch}/steps")


def predictions(job_id: str) -> Call[list[Json]]:
    """The predictions for the points of the job."""
    page = yield from request_json("GET", f"/v1/jobs/{job_id}/predictions")
    found: list[Json] = page["data"]
    return found


def predict(
    job_id: str, x: list[Any], *, epoch: int | None = None, interval: Json | None = None, timeout: float = 3600.0
) -> Call[list[Json]]:
    """Predictions for points: numbers, or rows of D numbers. With `interval`, `{"kind": …, "level": …}`, their bounds.

    Of large data a worker may have to look at every row for those: it is waited for, at most `timeout` seconds.
    """
    page = yield from _predict(job_id, _at_epoch({"x": x}, epoch), interval, timeout)
    found: list[Json] = page["data"]
    return found


def score(
    job_id: str, dataset: Json, *, epoch: int | None = None, interval: Json | None = None, timeout: float = 3600.0
) -> Call[Json]:
    """Predictions for the rows of a stored dataset, `{"id": …}`, and how well they fit its target; with bounds as
    `predict` has them."""
    return _predict(job_id, _at_epoch({"dataset": dataset}, epoch), interval, timeout)


def _predict(job_id: str, asked: Json, interval: Json | None, timeout: float) -> Call[Json]:
    """The API says by 503 and Retry-After that a worker looks at the rows."""
    wanted = asked if interval is None else asked | {"interval": interval}
    seconds = 0.0 if interval is None else timeout
    return request_json("POST", f"/v1/jobs/{job_id}/predict", json=wanted, repeat_seconds=seconds)


def invoke(job_id: str, table: bytes) -> Call[Json]:
    """Predictions for the rows of a CSV whose header names the features."""
    headers = {"Content-Type": "text/csv"}
    return request_json("POST", f"/v1/jobs/{job_id}/invocations", content=table, headers=headers)


def workers() -> Listing:
    """The workers of the last day, with the devices that they train on."""
    return Listing("/v1/devices")


def model(job_id: str, *, epoch: int | None = None) -> Call[Json]:
    """The weights and all that belongs to them."""
    return request_json("GET", f"/v1/jobs/{job_id}/model", params=_at_epoch({}, epoch))


def save_epochs(job_id: str, file: Path | str) -> Download:
    """All epochs as a file: .csv, .ndjson or .arrow."""
    return _download(file, "GET", f"/v1/jobs/{job_id}/epochs")


def save_steps(job_id: str, epoch: int, file: Path | str) -> Download:
    """All steps of an epoch as a file: .csv, .ndjson or .arrow."""
    return _download(file, "GET", f"/v1/jobs/{job_id}/epochs/{epoch}/steps")


def save_scores(job_id: str, dataset: Json, file: Path | str, *, epoch: int | None = None) -> Download:
    """Predictions for the rows of a stored dataset as a file: .csv, .ndjson, .arrow, .parquet or .json."""
    return _download(file, "POST", f"/v1/jobs/{job_id}/predict", json=_at_epoch({"dataset": dataset}, epoch))


def save_model(job_id: str, file: Path | str, *, epoch: int | None = None) -> Download:
    """The model as a file: .safetensors, .onnx, .skops or .json."""
    return _download(file, "GET", f"/v1/jobs/{job_id}/model", parameters=_at_epoch({}, epoch))


def readiness() -> Call[Json]:
    """What /readyz says, ready or not."""
    body: Json = (yield Request("GET", "/readyz")).json()
    return body


def _download(file: Path | str, method: str, path: str, *, parameters: Json | None = None, **options: Any) -> Download:
    format = _FORMATS.get(Path(file).suffix)
    if format is None:
        raise ValueError(f"The name of the file says which format it has: {', '.join(_FORMATS)}")
    return Download(Request(method, path, {"params": {"format": format} | (parameters or {}), **options}), Path(file))


def _at_epoch(values: Json, epoch: int | None) -> Json:
    return values if epoch is None else values | {"epoch": epoch}
