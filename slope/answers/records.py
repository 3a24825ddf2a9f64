"""Answers about what a training left behind: epochs and steps."""

from slope.answers.view import View


class ParametersView(View):
    """Numbers in the shape of the model. A gradient is null where a parameter does not learn."""

    weights: list[float] | None
    """D numbers."""
    bias: float | None
    """Null where there is none."""


class EpochView(View):
    epoch: int
    """Counted from 0."""
    loss: float
    """Mean of the step losses, each taken before its update."""
    last_loss: float
    """Loss of the last step."""
    validation_loss: float | None
    """On the rows that were held back; null where there are none."""
    gradient_mean: ParametersView
    """Of the epoch's steps."""
    gradient_last: ParametersView
    """Of the last step."""
    gradient_norm: float
    """Euclidean, of the mean gradient."""
    weights: list[float]
    """After the epoch."""
    bias: float | None
    """After the epoch; null where there is none."""
    learning_rate: float
    """Of this epoch."""
    seconds: float
    """How long it took."""


class StepView(View):
    epoch: int
    """Counted from 0."""
    step: int
    """Counted from 0 in its epoch."""
    rows: list[int] | None
    """Indices in the dataset of the rows of this step's batch; null where an answer would list more than a million."""
    loss: float
    """Of its batch, before the update."""
    gradient: ParametersView
    """Of that loss."""
    weights: list[float]
    """Before the update."""
    bias: float | None
    """Before the update; null where there is none."""
