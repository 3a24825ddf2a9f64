"""The synchronous client. It speaks the JSON of the API and adds no types of its own."""

from collections.abc import Iterator
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

import httpx2

FINAL = ("succeeded", "failed", "cancelled")
_HOLD_SECONDS = 30
"""How long the service is asked to hold an answer back until there is something new."""

_LOOK_SECONDS = 0.2
"""A sweep cannot be waited for as a job can: it is asked for so often."""

_DIRECT: dict[str, httpx2.BaseTransport | None] = {
    f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")
}
"""No proxy of the environment leads to this machine."""

Json = dict[str, Any]


class Problem(Exception):
    """The service refused a request: RFC 9457 problem details, faults with JSON Pointers among them."""

    def __init__(self, details: Json) -> None:
        self.status: int = details.get("status", 0)
        self.detail: str = details.get("detail", "")
        self.errors: list[Json] = details.get("errors", [])
        faults = "".join(f"\n  {fault['pointer'] or '(the whole request)'}: {fault['detail']}" for fault in self.errors)
        super().__init__(f"{details.get('title', 'The service answered')} ({self.status}): {self.detail}{faults}")


class Client:
    """Talks to one service. Use it as a context manager, or close it."""

    def __init__(self, url: str = "http://127.0.0.1:8000") -> None:
        self._http = httpx2.Client(base_url=url, timeout=_HOLD_SECONDS + 30, mounts=_DIRECT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def submit(self, request: Json, *, idempotency_key: str | None = None) -> Json:
        """Queue a job. With a key a repeated call makes no second job."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._json("POST", "/v1/jobs", json=request, headers=headers)

    def job(self, job_id: str) -> Json:
        return self._json("GET", f"/v1/jobs/{job_id}")

    def wait(self, job_id: str, timeout: float = 3600.0) -> Json:
        """The job when it has ended. Raises TimeoutError."""
        deadline = monotonic() + timeout
        job = self.job(job_id)
        while job["status"] not in FINAL:
            if monotonic() > deadline:
                raise TimeoutError(f"Job {job_id} is still {job['status']} after {timeout:g} s")
            job = self._json("GET", f"/v1/jobs/{job_id}", headers={"Prefer": f"wait={_HOLD_SECONDS}"})
        return job

    def cancel(self, job_id: str) -> Json:
        return self._json("POST", f"/v1/jobs/{job_id}/cancel")

    def delete(self, job_id: str) -> None:
        self._request("DELETE", f"/v1/jobs/{job_id}")

    def jobs(self, **filters: str) -> Iterator[Json]:
        """All jobs, newest first, page by page."""
        return self._items("/v1/jobs", "cursor", filters)

    def epochs(self, job_id: str) -> Iterator[Json]:
        return self._items(f"/v1/jobs/{job_id}/epochs", "after", {})

    def steps(self, job_id: str, epoch: int) -> Iterator[Json]:
        return self._items(f"/v1/jobs/{job_id}/epochs/{epoch}/steps", "after", {})

    def predictions(self, job_id: str) -> list[Json]:
        return list(self._items(f"/v1/jobs/{job_id}/predictions", "after", {}))

    def predict(self, job_id: str, x: list[Any], *, epoch: int | None = None) -> list[Json]:
        body = {"x": x} if epoch is None else {"x": x, "epoch": epoch}
        predictions: list[Json] = self._json("POST", f"/v1/jobs/{job_id}/predict", json=body)["data"]
        return predictions

    def submit_sweep(self, request: Json, *, idempotency_key: str | None = None) -> Json:
        """Queue up to 10,000 jobs on one dataset, all or none. With a key a repeated call makes no second sweep."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._json("POST", "/v1/sweeps", json=request, headers=headers)

    def sweep(self, sweep_id: str) -> Json:
        """The sweep as it stands, with the first page of its ranking."""
        return self._json("GET", f"/v1/sweeps/{sweep_id}")

    def sweeps(self) -> Iterator[Json]:
        """All sweeps, newest first, page by page."""
        return self._items("/v1/sweeps", "cursor", {})

    def ranking(self, sweep_id: str, by: str | None = None) -> Iterator[Json]:
        """The jobs of a sweep from the smallest loss up; `by` is `loss` or `validation_loss`."""
        parameters, following = {"limit": "1000"} | ({"by": by} if by else {}), ""
        while following is not None:
            asked = parameters | ({"cursor": following} if following else {})
            page = self._json("GET", f"/v1/sweeps/{sweep_id}", params=asked)["ranking"]
            yield from page["data"]
            following = page["next"]

    def wait_for_sweep(self, sweep_id: str, timeout: float = 3600.0) -> Json:
        """The sweep when all of its jobs have ended. Raises TimeoutError."""
        deadline = monotonic() + timeout
        sweep = self.sweep(sweep_id)
        while sweep["progress"]["jobs_ended"] < sweep["progress"]["jobs"]:
            if monotonic() > deadline:
                raise TimeoutError(f"Sweep {sweep_id} has not ended after {timeout:g} s: {sweep['counts']}")
            sleep(_LOOK_SECONDS)
            sweep = self.sweep(sweep_id)
        return sweep

    def cancel_sweep(self, sweep_id: str) -> Json:
        return self._json("POST", f"/v1/sweeps/{sweep_id}/cancel")

    def delete_sweep(self, sweep_id: str) -> None:
        self._request("DELETE", f"/v1/sweeps/{sweep_id}")

    def readiness(self) -> Json:
        """What /readyz says, ready or not."""
        answer: Json = self._http.get("/readyz").json()
        return answer

    def _items(self, path: str, cursor: str, parameters: dict[str, str]) -> Iterator[Json]:
        following: str | None = ""
        while following is not None:
            page = self._json("GET", path, params=parameters | ({cursor: following} if following else {}))
            yield from page["data"]
            following = page["next"]

    def _json(self, method: str, path: str, **options: Any) -> Json:
        body: Json = self._request(method, path, **options).json()
        return body

    def _request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        response = self._http.request(method, path, **options)
        if response.is_error:
            raise Problem(_details(response))
        return response


def _details(response: httpx2.Response) -> Json:
    if "json" in response.headers.get("content-type", ""):
        details: Json = response.json()
        return details
    return {"status": response.status_code, "detail": response.text[:200]}
