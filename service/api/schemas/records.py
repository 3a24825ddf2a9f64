"""Answers about what a training left behind: epochs and steps."""

from service.api.schemas.view import View
from service.records.pages import StepWithRows
from service.store.tables import Epoch


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

    @classmethod
    def of(cls, row: Epoch) -> "EpochView":
        return cls(
            epoch=row.epoch,
            loss=row.loss,
            last_loss=row.last_loss,
            validation_loss=row.validation_loss,
            gradient_mean=ParametersView(weights=row.gradient_mean_weights, bias=row.gradient_mean_bias),
            gradient_last=ParametersView(weights=row.gradient_last_weights, bias=row.gradient_last_bias),
            gradient_norm=row.gradient_norm,
            weights=row.weights,
            bias=row.bias,
            learning_rate=row.learning_rate,
            seconds=row.seconds,
        )


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

    @classmethod
    def of(cls, found: StepWithRows) -> "StepView":
        row = found.step
        return cls(
            epoch=row.epoch,
            step=row.step,
            rows=found.rows,
            loss=row.loss,
            gradient=ParametersView(weights=row.gradient_weights, bias=row.gradient_bias),
            weights=row.weights,
            bias=row.bias,
        )
