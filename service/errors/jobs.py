"""Errors about jobs and sweeps."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from service.errors.base import Damaged, ServiceError
from service.errors.requests import InvalidRequest
from slope.extras import how_to_add


class JobNotFound(ServiceError):
    """There is no job with this id: it was deleted, or never was. `GET /v1/jobs` lists all."""

    status = 404
    type = "job-not-found"
    title = "There is no such job"

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"There is no job {job_id}: GET /v1/jobs lists those there are")


class JobIsFinal(ServiceError):
    """The job has ended: there is nothing to cancel, pause or resume. `POST /v1/jobs/{id}/rerun` trains it again."""

    status = 409
    type = "job-is-final"
    title = "The job has ended"

    def __init__(self, status: str, wish: Literal["cancel", "pause", "resume"] = "cancel") -> None:
        super().__init__(f"The job is {status} already: there is nothing to {wish}")


class JobIsToBeCancelled(ServiceError):
    """The job is being cancelled: it cannot be paused. Its worker ends it within seconds."""

    status = 409
    type = "job-is-to-be-cancelled"
    title = "The job is being cancelled"

    def __init__(self) -> None:
        super().__init__("Somebody has asked to cancel the job, so it cannot be paused: it ends within seconds")


class JobIsNotPaused(ServiceError):
    """The job is queued or running, and nobody has asked to pause it: there is nothing to resume."""

    status = 409
    type = "job-is-not-paused"
    title = "The job is not paused"

    def __init__(self, status: str) -> None:
        super().__init__(f"The job is {status} and nobody has asked to pause it: there is nothing to resume")


class JobHasChanged(ServiceError):
    """The job has another ETag than `If-Match` names: somebody has changed it, or it went on. Nothing was done:
    look at it, and ask again."""

    status = 412
    type = "job-has-changed"
    title = "The job is not as the request expects it"

    def __init__(self) -> None:
        super().__init__("The job has another ETag than If-Match names: nothing was done; look at it, and ask again")


class JobIsRunning(ServiceError):
    """A running job cannot be deleted. Cancel it, wait until it has ended, and delete it then."""

    status = 409
    type = "job-is-running"
    title = "The job is running"

    def __init__(self) -> None:
        super().__init__("A running job cannot be deleted: cancel it first")


class AliasNotFound(ServiceError):
    """No job has this alias: it was deleted, or never was. `GET /v1/aliases` lists all."""

    status = 404
    type = "alias-not-found"
    title = "There is no such alias"

    def __init__(self, name: str) -> None:
        super().__init__(f"No job is called {name}: GET /v1/aliases lists the names there are, GET /v1/jobs the ids")


class JobHasAlias(ServiceError):
    """A job that has an alias is not deleted, for whoever asks for the alias would find nothing. Move the alias to
    another job by `PUT /v1/aliases/{name}`, or delete it, and delete the job then."""

    status = 409
    type = "job-has-alias"
    title = "The job has an alias"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"A job is called {', '.join(names)}: move the alias to another job or delete it first")


class JobDamaged(Damaged):
    """Somebody has changed what is kept of the job in the database, so that it cannot be read any more. Submit the
    job again, or have the operator restore a backup. `DELETE /v1/jobs/{id}` takes away what is left of it."""

    type = "job-damaged"
    title = "What is kept of the job was damaged"
    noun = "job"
    remedy = "Submit the job again"


class JobHasNoModel(ServiceError):
    """The job has not succeeded, or not yet. Wait until its status is `succeeded`; `error` says why it failed."""

    status = 409
    type = "job-has-no-model"
    title = "The job has no model yet"


class ExportNotInstalled(ServiceError):
    """A library that writes this format is not installed. The operator installs it, or ask for another format."""

    status = 501
    type = "export-not-installed"
    title = "This service cannot write that format"

    def __init__(self, library: str) -> None:
        super().__init__(f"It lacks {library}: its operator adds it with {how_to_add('export')}")


class TooManyNumbers(InvalidRequest):
    """The job, or the sweep, would record more numbers than SLOPE_MAX_RECORDED_NUMBERS. Record fewer:
    `record.every`, or `record.steps` `none`."""

    type = "too-many-numbers"
    title = "More numbers would be kept than may be"


class TooLargeForWorkers(InvalidRequest):
    """No worker has the memory that this job needs. Ask for another engine, or for fewer rows, or start a larger
    worker."""

    type = "too-large-for-workers"
    title = "No worker has the memory for this job"


class LeaseLost(Exception):
    """Another attempt owns the job now: what this one would write must not be written."""


class SweepNotFound(ServiceError):
    """There is no sweep with this id: it was deleted, or never was. `GET /v1/sweeps` lists all."""

    status = 404
    type = "sweep-not-found"
    title = "There is no such sweep"

    def __init__(self, sweep_id: UUID) -> None:
        super().__init__(f"There is no sweep {sweep_id}: GET /v1/sweeps lists those there are")


class SweepDamaged(Damaged):
    """Somebody has changed what is kept of the sweep in the database, so that it cannot be read any more. Submit the
    sweep again, or have the operator restore a backup. Its jobs are as they were: `GET /v1/jobs?sweep_id=` lists them.
    """

    type = "sweep-damaged"
    title = "What is kept of the sweep was damaged"
    noun = "sweep"
    remedy = "Submit the sweep again"


class SweepIsFinal(ServiceError):
    """All jobs of the sweep have ended: there is nothing to cancel."""

    status = 409
    type = "sweep-is-final"
    title = "All jobs of the sweep have ended"

    def __init__(self) -> None:
        super().__init__("All jobs of the sweep have ended: there is nothing to cancel")


class SweepIsRunning(ServiceError):
    """A job of the sweep runs. Cancel the sweep, wait until it has ended, and delete it then."""

    status = 409
    type = "sweep-is-running"
    title = "The sweep is running"

    def __init__(self) -> None:
        super().__init__("A sweep cannot be deleted while one of its jobs runs: cancel it first")
