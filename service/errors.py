"""The errors of the service. Each is a sentence, and carries its HTTP status and problem type (RFC 9457)."""

from typing import Any, ClassVar
from uuid import UUID

from slope.spec import Fault


class ServiceError(Exception):
    """Something the caller should know. `faults` point at the values that are wrong."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "The service failed"

    def __init__(
        self,
        detail: str = "Something unforeseen happened; the service's log has the details",
        faults: list[Fault] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = faults or []
        self.headers = headers or {}


class InvalidRequest(ServiceError):
    status = 422
    type = "invalid-request"
    title = "The request is not valid"


class MalformedRequest(ServiceError):
    status = 400
    type = "malformed-request"
    title = "The request cannot be read"


class HostNotKnown(ServiceError):
    status = 421
    type = "host-not-known"
    title = "The service does not go by that name"

    def __init__(self) -> None:
        detail = "The request's Host is none of the service's names: its operator adds it to SLOPE_ALLOWED_HOSTS"
        super().__init__(detail)


class ForeignPage(ServiceError):
    status = 403
    type = "foreign-page"
    title = "A page of another site may not ask for this"

    def __init__(self) -> None:
        detail = "The request comes from a page of another origin: the operator adds that to SLOPE_ALLOWED_ORIGINS"
        super().__init__(detail)


class BodyTooLarge(ServiceError):
    status = 413
    type = "body-too-large"
    title = "The body is too large"

    def __init__(self) -> None:
        super().__init__("The body is larger than this service takes")


class BodyNotRead(ServiceError):
    status = 503
    type = "body-not-read"
    title = "The service could not read the body"

    def __init__(self) -> None:
        detail = (
            "The process that reads large bodies did not start or was ended, as where there is no memory:"
            " nothing was changed; send the body again in a moment, or a smaller one"
        )
        super().__init__(detail, headers={"Retry-After": "2"})


class HeadTooLarge(ServiceError):
    status = 431
    type = "head-too-large"
    title = "The request's headers are too large"

    def __init__(self) -> None:
        super().__init__("The request line and the headers are together larger than 64 KB")


class TooSlow(ServiceError):
    status = 408
    type = "too-slow"
    title = "The request did not arrive in time"

    def __init__(self) -> None:
        super().__init__("The request stopped, or came too slowly, before its end: nothing was changed; send it again")


class TooManyRequests(ServiceError):
    status = 503
    type = "too-many-requests"
    title = "The service is busy"

    def __init__(self) -> None:
        detail = "It has as many requests in work as it takes at once: repeat yours in a moment"
        super().__init__(detail, headers={"Retry-After": "1"})


class NotAcceptable(ServiceError):
    status = 406
    type = "not-acceptable"
    title = "There is no answer of that kind"

    def __init__(self, detail: str, offers: list[str]) -> None:
        super().__init__(f"{detail}: there is {', '.join(sorted(offers))}", headers={"Vary": "Accept"})


class TooBusy(ServiceError):
    status = 503
    type = "too-busy"
    title = "Too many ask for long work at once"

    def __init__(self, most: int) -> None:
        detail = f"{most} replays, graphs, pictures and audits are under way or wait: ask again in a moment"
        super().__init__(detail, headers={"Retry-After": "2"})


class ClientGone(ServiceError):
    """Nobody reads its answer."""

    status = 499
    type = "client-gone"
    title = "The client has gone"

    def __init__(self) -> None:
        super().__init__("The client has closed its connection: the work was called off")


class ReplayTooLong(ServiceError):
    status = 422
    type = "replay-too-long"
    title = "It would take too long to compute these numbers again"


class UnsupportedMediaType(ServiceError):
    status = 415
    type = "unsupported-media-type"
    title = "The body is of a kind this call does not take"


class JobNotFound(ServiceError):
    status = 404
    type = "job-not-found"
    title = "There is no such job"

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"There is no job {job_id}")


class InvalidTable(InvalidRequest):
    type = "invalid-table"
    title = "The table cannot be taken"


class TableTooLarge(ServiceError):
    status = 413
    type = "table-too-large"
    title = "The table is too large"


class DatasetNotFound(ServiceError):
    status = 404
    type = "dataset-not-found"
    title = "There is no such dataset"

    def __init__(self, dataset_id: UUID) -> None:
        super().__init__(f"There is no dataset {dataset_id}")


class DatasetIsUsed(ServiceError):
    status = 409
    type = "dataset-is-used"
    title = "The dataset is in use"

    def __init__(self) -> None:
        super().__init__("A job has learnt from this dataset, or is to: delete its jobs first")


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


class EpochNotFound(ServiceError):
    status = 404
    type = "epoch-not-found"
    title = "The job has no such epoch"


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


class IdempotencyKeyReused(ServiceError):
    status = 422
    type = "idempotency-key-reused"
    title = "The idempotency key was used for another request"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key came with a different body before: use a new key for a new request")


class IdempotencyKeyInFlight(ServiceError):
    status = 409
    type = "idempotency-key-in-flight"
    title = "A request with this idempotency key is being handled"

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key is still in flight: repeat yours in a moment")


class ReplayDiffers(ServiceError):
    status = 409
    type = "replay-differs"
    title = "The step cannot be replayed to the same bits"


class StepNotFound(ServiceError):
    status = 404
    type = "step-not-found"
    title = "The epoch has no such step"


class GradientDiffers(ServiceError):
    status = 500
    type = "gradient-differs"
    title = "The gradient is not the one that was recorded"


class PicturesMissing(ServiceError):
    status = 501
    type = "pictures-missing"
    title = "This service cannot draw pictures"

    def __init__(self) -> None:
        detail = "It lacks Graphviz: pip install 'slope-regression[pictures]'. DOT, Mermaid and text need nothing"
        super().__init__(detail)


class NotDrawn(ServiceError):
    status = 503
    type = "not-drawn"
    title = "The picture could not be drawn"


class EpochTooLong(InvalidRequest):
    type = "epoch-too-long"
    title = "The epoch is too long to be taken apart"


class StepTooLarge(InvalidRequest):
    type = "step-too-large"
    title = "The step has too many numbers to be drawn"


class TooManyNumbers(InvalidRequest):
    type = "too-many-numbers"
    title = "More numbers would be kept than may be"


class TooLargeForWorkers(InvalidRequest):
    type = "too-large-for-workers"
    title = "No worker has the memory for this job"


class DatabaseError(ServiceError):
    """The database refused what the service asked of it. As text it is the driver's words, which are for the log."""

    def __init__(self, cause: object, **told: Any) -> None:
        super().__init__(**told)
        self.args = (str(cause),)


class DatabaseUnavailable(DatabaseError):
    status = 503
    type = "database-unavailable"
    title = "The database is not available"

    def __init__(self, cause: object) -> None:
        detail = (
            "It does not answer, so what a change has come to is not known: repeat the request in a moment."
            " With an Idempotency-Key no job is made twice"
        )
        super().__init__(cause, detail=detail, headers={"Retry-After": "2"})


class SchemaMissing(DatabaseError):
    status = 503
    type = "schema-missing"
    title = "The database has no schema"

    def __init__(self, cause: object) -> None:
        super().__init__(cause, detail="Create it with `slope db upgrade`", headers={"Retry-After": "10"})


class StorageFull(ServiceError):
    status = 507
    type = "storage-full"
    title = "There is no room left"

    def __init__(self, cause: object) -> None:
        super().__init__(f"Nothing was changed: delete jobs or datasets, or make room on the disk ({cause})")


class QuotaReached(ServiceError):
    status = 507
    type = "quota-reached"
    title = "All datasets together may take no more room"

    def __init__(self, size: int, quota: int) -> None:
        super().__init__(
            f"Nothing was changed: with {size:,} bytes more, datasets would take more than the {quota:,} that"
            " SLOPE_MAX_STORED_BYTES allows; delete datasets, or jobs with data of their own"
        )


class StorageUnavailable(ServiceError):
    status = 503
    type = "storage-unavailable"
    title = "The storage of datasets is not available"

    def __init__(self) -> None:
        detail = "Nothing was changed or lost; repeat the request in a moment"
        super().__init__(detail, headers={"Retry-After": "5"})


class ObjectMissing(ServiceError):
    type = "object-missing"
    title = "The numbers of a dataset are not where they were kept"

    def __init__(self, name: str) -> None:
        detail = f"The storage has no {name}: do all processes have the same SLOPE_STORAGE_URL?"
        super().__init__(detail)


class LeaseLost(Exception):
    """Another attempt owns the job now: what this one would write must not be written."""
