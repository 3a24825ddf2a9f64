"""What a client raises."""

from typing import Any

import httpx2

from slope.answers.jobs import JobView

Json = dict[str, Any]


class Problem(Exception):
    """The service refused a request: RFC 9457 problem details, faults with JSON Pointers among them."""

    def __init__(self, details: Json) -> None:
        self.status: int = details.get("status", 0)
        self.detail: str = details.get("detail", "")
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
    """The service trained, and there is no model. `job` says why."""

    def __init__(self, job: JobView) -> None:
        code, detail = (job.error.code, job.error.detail) if job.error else (job.status, None)
        super().__init__(f"Job {job.id} {job.status} ({code}): {detail}")
        self.job = job


def checked(response: httpx2.Response) -> httpx2.Response:
    """A response whose body has been read. Raises Problem, and InvalidRequest for values that cannot be."""
    if response.is_error:
        raise (InvalidRequest if response.status_code == 422 else Problem)(_details(response))
    return response


def _details(response: httpx2.Response) -> Json:
    if "json" in response.headers.get("content-type", ""):
        details: Json = response.json()
        return details
    return {"status": response.status_code, "detail": response.text[:200]}
