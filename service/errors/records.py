"""Errors about what a job recorded, what is computed again from it, and its pictures."""

from service.errors.base import ServiceError
from service.errors.requests import InvalidRequest
from slope.extras import how_to_add


class EpochNotFound(ServiceError):
    """The job has trained fewer epochs, or did not record this one. `progress` says how many there are."""

    status = 404
    type = "epoch-not-found"
    title = "The job has no such epoch"


class StepNotFound(ServiceError):
    """The epoch has fewer steps. Steps count from 0."""

    status = 404
    type = "step-not-found"
    title = "The epoch has no such step"


class ReplayTooLong(ServiceError):
    """The numbers that were asked for were not recorded, and to compute them again would take longer than
    SLOPE_REPLAY_SECONDS. Ask for an earlier or a shorter epoch, or record more."""

    status = 422
    type = "replay-too-long"
    title = "It would take too long to compute these numbers again"


class ReplayDiffers(ServiceError):
    """What was computed again is not, to the bit, what was recorded: the job was trained on another machine, or by
    another version. What was recorded holds."""

    status = 409
    type = "replay-differs"
    title = "The step cannot be replayed to the same bits"


class GradientDiffers(ServiceError):
    """The graph's gradient is not the one that was recorded, and so is not shown. This is a mistake of the service:
    please report it."""

    status = 500
    type = "gradient-differs"
    title = "The gradient is not the one that was recorded"


class EpochTooLong(InvalidRequest):
    """The epoch has more steps than are taken apart in one request. Look at graphs of single steps."""

    type = "epoch-too-long"
    title = "The epoch is too long to be taken apart"


class StepTooLarge(InvalidRequest):
    """The step's graph has more nodes than can be read. Ask for a smaller one, by `row` and `expand`."""

    type = "step-too-large"
    title = "The step has too many numbers to be drawn"


class DashboardNotBuilt(ServiceError):
    """A report is made of the dashboard's pages, and this service was installed without them: its own address says
    how they are built. What a report holds can be asked for call by call."""

    status = 501
    type = "dashboard-not-built"
    title = "The dashboard was not built"

    def __init__(self) -> None:
        super().__init__("A report is made of the dashboard's pages, which this service was installed without")


class NothingToChart(ServiceError):
    """The job has recorded no epoch yet. Ask again when its `progress.epochs_done` is more than 0."""

    status = 409
    type = "nothing-to-chart"
    title = "There is nothing to draw yet"

    def __init__(self, status: str) -> None:
        super().__init__(f"The job is {status} and has recorded no epoch: a chart needs one")


class PicturesMissing(ServiceError):
    """What draws is not installed. The operator installs it, or ask for the numbers, or for a graph in DOT or text."""

    status = 501
    type = "pictures-missing"
    title = "This service cannot draw pictures"

    def __init__(self, tool: str, instead: str) -> None:
        super().__init__(f"It lacks {tool}: its operator adds it with {how_to_add('pictures')}. {instead}")


class NotDrawn(ServiceError):
    """What draws gave up, or took too long. Ask for a smaller graph or fewer points, or for the numbers."""

    status = 503
    type = "not-drawn"
    title = "The picture could not be drawn"
