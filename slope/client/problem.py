"""What a client raises."""

from typing import Any, Self

import httpx2

from slope.answers.jobs import ErrorView, JobView
from slope.statuses import JobStatus

Json = dict[str, Any]


class Problem(Exception):
    """The service refused a request: RFC 9457 problem details, faults with JSON Pointers among them."""

    def __init__(self, details: Json) -> None:
        self.status: int = details.get("status", 0)
        self.detail = str(details.get("detail", ""))
        self.errors: list[Json] = details.get("errors", [])
        faults = "".join(f"\n  {fault['pointer'] or '(the whole request)'}: {fault['detail']}" for fault in self.errors)
        first = self.errors[0]["detail"] if self.errors else None  # the detail repeats it, and it is listed below
        said = "" if self.detail == first else f" {self.detail.removesuffix(f': {first}')}"
        super().__init__(f"{details.get('title', 'The service answered')} ({self.status}):{said}{faults}")

    @property
    def pointers(self) -> list[str]:
        """JSON Pointers to what is wrong in the request."""
        return [fault["pointer"] for fault in self.errors]


class InvalidRequest(Problem, ValueError):
    """The service cannot take the values of a request: 422."""


class UnexpectedAnswer(Exception):
    """The service answered something that this client does not know: it may be of another version."""


class JobFailed(RuntimeError):
    """The training has ended, and there is no model. `status` and `error` say why."""

    def __init__(self, status: JobStatus, error: ErrorView | None, told: JobView | None = None) -> None:
        super().__init__(status, error, told)  # so that it can be pickled, as processes of scikit-learn do
        self.status = status
        self.error = error
        self._told = told

    @classmethod
    def of(cls, job: JobView) -> Self:
        """Of a job of the service."""
        return cls(job.status, job.error, job)

    @property
    def job(self) -> JobView:
        """As the service told it. Raises ValueError of a run in this process, which is no job."""
        if self._told is None:
            raise ValueError("The run was one of this process, and no job: `status` and `error` say what became of it")
        return self._told

    def __str__(self) -> str:
        who = f"Job {self._told.id}" if self._told else "The run"
        code, detail = (self.error.code, self.error.detail) if self.error else (self.status, None)
        return f"{who} {self.status} ({code}): {detail}"


def checked(response: httpx2.Response) -> httpx2.Response:
    """A response whose body has been read. Raises Problem, and InvalidRequest for values that cannot be.

    A redirect is none of the service's answers, but of something before it, which has done nothing.
    """
    if not response.is_success:
        raise (InvalidRequest if response.status_code == 422 else Problem)(_details(response))
    return response


def _details(response: httpx2.Response) -> Json:
    """As the service tells them; something before it, such as a proxy, has words of its own."""
    try:
        found = response.json() if "json" in response.headers.get("content-type", "") else None
    except ValueError:
        found = None
    if isinstance(found, dict) and all(map(_is_fault, found.get("errors", []))):
        return {"status": response.status_code} | found
    there = f"It leads to {response.headers['location']}: " if "location" in response.headers else ""
    return {"status": response.status_code, "detail": there + response.text[:200]}


def _is_fault(found: Any) -> bool:
    return isinstance(found, dict) and all(isinstance(found.get(name), str) for name in ("pointer", "detail"))
