"""Errors about jobs and sweeps."""

from uuid import UUID

from service.errors.base import ServiceError
from service.errors.requests import InvalidRequest


class JobNotFound(ServiceError):
    status = 404
    type = "job-not-found"
    title = "There is no such job"

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"There is no job {job_id}")


class JobIsFinal(ServiceError):
    status = 409
    type = "job-is-final"
    title = "The job has ended"

    def __init__(self, status: str) -> None:
        super().__init__(f"The job is {status} already: there is nothing to cancel")


class JobHasChanged(ServiceError):
    status = 412
    type = "job-has-changed"
    title = "The job is not as the request expects it"

    def __init__(self) -> None:
        super().__init__("The job has another ETag than If-Match names: nothing was done; look at it, and ask again")


class JobIsRunning(ServiceError):
    status = 409
    type = "job-is-running"
    title = "The job is running"

    def __init__(self) -> None:
        super().__init__("A running job cannot be deleted: cancel it first")


class JobHasNoModel(ServiceError):
    status = 409
    type = "job-has-no-model"
    title = "The job has no model yet"


class ExportNotInstalled(ServiceError):
    status = 501
    type = "export-not-installed"
    title = "This service cannot write that format"

    def __init__(self, library: str) -> None:
        super().__init__(f"It lacks {library}: its operator adds it with pip install 'slope-regression[export]'")


class TooManyNumbers(InvalidRequest):
    type = "too-many-numbers"
    title = "More numbers would be kept than may be"


class TooLargeForWorkers(InvalidRequest):
    type = "too-large-for-workers"
    title = "No worker has the memory for this job"


class LeaseLost(Exception):
    """Another attempt owns the job now: what this one would write must not be written."""


class SweepNotFound(ServiceError):
    status = 404
    type = "sweep-not-found"
    title = "There is no such sweep"

    def __init__(self, sweep_id: UUID) -> None:
        super().__init__(f"There is no sweep {sweep_id}")


class SweepIsFinal(ServiceError):
    status = 409
    type = "sweep-is-final"
    title = "All jobs of the sweep have ended"

    def __init__(self) -> None:
        super().__init__("All jobs of the sweep have ended: there is nothing to cancel")


class SweepIsRunning(ServiceError):
    status = 409
    type = "sweep-is-running"
    title = "The sweep is running"

    def __init__(self) -> None:
        super().__init__("A sweep cannot be deleted while one of its jobs runs: cancel it first")
