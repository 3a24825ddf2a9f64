"""Answers about what a training left behind: epochs and steps."""

from service.records.pages import StepWithRows
from service.store.tables import Epoch
from slope.answers.records import EpochView, ParametersView, StepView


def view_epoch(row: Epoch) -> EpochView:
    return EpochView(
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


def view_step(found: StepWithRows) -> StepView:
    row = found.step
    return StepView(
        epoch=row.epoch,
        step=row.step,
        rows=found.rows,
        loss=row.loss,
        gradient=ParametersView(weights=row.gradient_weights, bias=row.gradient_bias),
        weights=row.weights,
        bias=row.bias,
    )
