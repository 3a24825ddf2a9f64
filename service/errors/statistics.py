"""Errors about the statistics of a job's exact solution."""

from service.errors.base import ServiceError
from service.errors.requests import InvalidRequest


class JobNotFinished(ServiceError):
    """The job is queued or runs. Its statistics are told when it has ended: wait, with `Prefer: wait=60` on the job."""

    status = 409
    type = "job-not-finished"
    title = "The job has not finished"

    def __init__(self, status: str) -> None:
        super().__init__(f"The job is {status}: its statistics are told when it has ended; Prefer: wait=60 on it waits")


class TooFewRows(InvalidRequest):
    """The job trained on no more rows than it has coefficients: the model passes through all of them, and nothing is
    left to tell noise by. Train on more rows, or on fewer features."""

    type = "too-few-rows"
    title = "There are no more rows than coefficients"


class TooManyCoefficients(InvalidRequest):
    """The job has more features than statistics are told of in one answer. Train on fewer."""

    type = "too-many-coefficients"
    title = "The job has too many coefficients"

    def __init__(self, features: int, most: int) -> None:
        super().__init__(f"The job has {features:,} features; statistics are told of {most:,} at most")


class OutOfRange(InvalidRequest):
    """The exact solution, or its standard errors, are larger or smaller than float64 holds. Scale the data, and train
    again."""

    type = "out-of-range"
    title = "The statistics are beyond the range of float64"
