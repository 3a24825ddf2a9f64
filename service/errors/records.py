"""Errors about what a job recorded, what is computed again from it, and its pictures."""

from service.errors.base import ServiceError
from service.errors.requests import InvalidRequest


class EpochNotFound(ServiceError):
    status = 404
    type = "epoch-not-found"
    title = "The job has no such epoch"


class StepNotFound(ServiceError):
    status = 404
    type = "step-not-found"
    title = "The epoch has no such step"


class ReplayTooLong(ServiceError):
    status = 422
    type = "replay-too-long"
    title = "It would take too long to compute these numbers again"


class ReplayDiffers(ServiceError):
    status = 409
    type = "replay-differs"
    title = "The step cannot be replayed to the same bits"


class GradientDiffers(ServiceError):
    status = 500
    type = "gradient-differs"
    title = "The gradient is not the one that was recorded"


class EpochTooLong(InvalidRequest):
    type = "epoch-too-long"
    title = "The epoch is too long to be taken apart"


class StepTooLarge(InvalidRequest):
    type = "step-too-large"
    title = "The step has too many numbers to be drawn"


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
