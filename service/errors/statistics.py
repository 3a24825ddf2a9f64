"""Errors about the statistics of a job's exact solution."""

from typing import Literal

from service.errors.base import ServiceError
from service.errors.requests import InvalidRequest
from slope.extras import how_to_add


class JobNotFinished(ServiceError):
    """The job is queued or runs. Its statistics, and a surface of large data, are told when it has ended: wait, with
    `Prefer: wait=60` on the job."""

    status = 409
    type = "job-not-finished"
    title = "The job has not finished"

    def __init__(self, status: str) -> None:
        super().__init__(
            f"The job is {status}: its statistics, and a surface of large data, are told when it has ended; "
            "Prefer: wait=60 on it waits"
        )


class TooFewRows(InvalidRequest):
    """The job trained on no more rows than it has coefficients: the model passes through all of them, and nothing is
    left to tell noise by. Train on more rows, or on fewer features."""

    type = "too-few-rows"
    title = "There are no more rows than coefficients"


class TooManyCoefficients(InvalidRequest):
    """The job has more features than statistics are told of in one answer. Train on fewer."""

    type = "too-many-coefficients"
    title = "The job has too many coefficients"

    def __init__(self, features: int, most: int, what: str = "statistics") -> None:
        told = "is" if what == "a path" else "are"
        super().__init__(f"The job has {features:,} features; {what} {told} told of {most:,} at most")


class LibraryMissing(ServiceError):
    """A library that this needs is not installed. The operator installs it, or ask for what does without."""

    status = 501
    type = "library-missing"
    title = "This service lacks a library for that"

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"It lacks {library}: its operator adds it with {how_to_add(extra)}")


class OutOfRange(InvalidRequest):
    """The exact solution, or its standard errors, are larger or smaller than float64 holds. Scale the data, and train
    again."""

    type = "out-of-range"
    title = "The statistics are beyond the range of float64"


class RowsGone(ServiceError):
    """The numbers of the dataset that the job learnt from were deleted. What needs a look at every row cannot be told
    any more: ask for what follows from the triangle alone, such as `covariance=nonrobust`."""

    status = 410
    type = "rows-gone"
    title = "The rows that the job learnt from are gone"

    def __init__(self) -> None:
        super().__init__(
            "The numbers of the dataset were deleted, and this needs a look at every row: ask for what follows from the"
            " triangle alone, as covariance=nonrobust does"
        )


class PassUnderway(ServiceError):
    """A worker looks at every row for what was asked. Ask again in a moment, as `Retry-After` says."""

    status = 503
    type = "pass-underway"
    title = "A worker looks at every row"

    def __init__(self, state: Literal["queued", "running"], rows: int) -> None:
        detail = f"A worker looks at {rows:,} rows for this, and has {'begun' if state == 'running' else 'not begun'}"
        super().__init__(f"{detail}: ask again in a moment", headers={"Retry-After": "1"})
        self.state: Literal["queued", "running"] = state
        self.rows = rows


class PassFailed(ServiceError):
    """A worker could not look at every row: `detail` says why. Ask again, and it is tried again."""

    status = 503
    type = "pass-failed"
    title = "A look at every row failed"

    def __init__(self, detail: str) -> None:
        super().__init__(f"{detail}: ask again to have it tried again", headers={"Retry-After": "1"})
