"""Answers about what a training left behind: epochs and steps."""

from service.api.schemas.view import View
from service.records.pages import StepWithRows
from service.store.tables import Epoch


class ParametersView(View):
    """Numbers in the shape of the model. A gradient is null where a parameter does not learn."""

    weights: list[float] | None
    bias: float | None


class EpochView(View):
    epoch: int
    loss: float
    """Mean of the step losses, each taken before its update."""
    last_loss: float
    """Loss of the last step."""
    validation_loss: float | None
    gradient_mean: ParametersView
    gradient_last: ParametersView
    gradient_norm: float
    weights: list[float]
    """After the epoch."""
    bias: float | None
    learning_rate: float
    seconds: float

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
    step: int
    rows: list[int] | None
    """Indices in the dataset of the rows of this step's batch; null where an answer would list more than a million."""
    loss: float
    gradient: ParametersView
    weights: list[float]
    """Before the update."""
    bias: float | None

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
