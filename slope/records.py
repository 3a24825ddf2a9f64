"""What training leaves behind: one record a step, one an epoch, and the state to go on from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

import numpy as np

from slope.arrays import Array, Indices
from slope.columns import EpochColumns, StepColumns, join_columns
from slope.model import Parameters


class StepRecord(NamedTuple):
    """One update: the loss and the gradient that autograd gave, and the parameters before it moved them."""

    epoch: int
    step: int
    loss: float
    gradient: Parameters
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One pass over the data. Gradients are those of its steps; parameters are those after it."""

    epoch: int
    loss: float
    """Mean of the step losses, each taken before its update."""
    last_loss: float
    """Loss of the last step: what the lecture prints."""
    validation_loss: float | None
    """Mean row loss of the validation rows after the epoch, without penalties."""
    gradient_mean: Parameters
    gradient_last: Parameters
    gradient_norm: float
    """Euclidean norm of the mean gradient."""
    parameters: Parameters
    learning_rate: float
    seconds: float
    steps: Sequence[StepRecord]
    """Every step of the epoch, where steps are recorded."""


class Diverged(ArithmeticError):
    """A loss, a gradient or a weight stopped being finite. `steps` are the finite steps of the broken epoch."""

    def __init__(self, epoch: int, step: int, steps: Sequence[StepRecord]) -> None:
        super().__init__(f"The numbers stopped being finite in epoch {epoch}, step {step}")
        self.epoch = epoch
        self.step = step
        self.steps = steps


class StepTable(Sequence[StepRecord]):
    """Steps kept as columns: eight bytes a number. It reads like a list of records."""

    def __init__(self, columns: StepColumns) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns)

    @overload
    def __getitem__(self, index: int) -> StepRecord: ...
    @overload
    def __getitem__(self, index: slice) -> "StepTable": ...
    def __getitem__(self, index: int | slice) -> "StepRecord | StepTable":
        if isinstance(index, slice):
            return StepTable(self.columns.at(np.arange(len(self))[index]))
        rows = self.columns
        gradient = _parameters_at(rows.gradient_weights, rows.gradient_bias, index)
        parameters = _parameters_at(rows.weights, rows.bias, index)
        return StepRecord(int(rows.epoch[index]), int(rows.step[index]), float(rows.loss[index]), gradient, parameters)


class EpochTable(Sequence[EpochRecord]):
    """Epochs kept as columns, with as many steps each where those are kept. It reads like a list of records."""

    def __init__(self, columns: EpochColumns, steps: StepColumns | None) -> None:
        self.columns = columns
        self.steps = steps

    def __len__(self) -> int:
        return len(self.columns)

    @overload
    def __getitem__(self, index: int) -> EpochRecord: ...
    @overload
    def __getitem__(self, index: slice) -> "EpochTable": ...
    def __getitem__(self, index: int | slice) -> "EpochRecord | EpochTable":
        if isinstance(index, slice):
            return self.at(np.arange(len(self))[index])
        rows = self.columns
        index = range(len(self))[index]
        steps_kept = [] if self.steps is None else StepTable(self.steps.at(self._steps_of(index)))
        return EpochRecord(
            epoch=int(rows.epoch[index]),
            loss=float(rows.loss[index]),
            last_loss=float(rows.last_loss[index]),
            validation_loss=_number_at(rows.validation_loss, index),
            gradient_mean=_parameters_at(rows.gradient_mean_weights, rows.gradient_mean_bias, index),
            gradient_last=_parameters_at(rows.gradient_last_weights, rows.gradient_last_bias, index),
            gradient_norm=float(rows.gradient_norm[index]),
            parameters=_parameters_at(rows.weights, rows.bias, index),
            learning_rate=float(rows.learning_rate[index]),
            seconds=float(rows.seconds[index]),
            steps=steps_kept,
        )

    def at(self, chosen: Indices) -> "EpochTable":
        """Some of the epochs."""
        steps = self.steps
        if steps is not None and len(chosen):
            steps = steps.at(np.concatenate([self._steps_of(index) for index in chosen]))
        return EpochTable(self.columns.at(chosen), steps)

    def _steps_of(self, index: int) -> Indices:
        assert self.steps is not None  # whoever asks has looked
        each = len(self.steps) // len(self)
        return np.arange(index * each, (index + 1) * each)


def numbers_of(block: Sequence[EpochRecord], name: str) -> list[Any]:
    """A number of each of the records."""
    if isinstance(block, EpochTable):
        column = getattr(block.columns, name)
        return [None] * len(block) if column is None else column.tolist()
    return [getattr(record, name) for record in block]


def steps_of(block: Sequence[EpochRecord]) -> list[Sequence[StepRecord]]:
    """The steps that were kept of some epochs, in as few parts as may be."""
    if isinstance(block, EpochTable):
        return [] if block.steps is None else [StepTable(block.steps)]
    return [record.steps for record in block if record.steps]


def epoch_columns(records: Sequence[EpochRecord]) -> EpochColumns:
    """At least one record as columns, all of the same model."""
    return EpochColumns(
        epoch=np.array([record.epoch for record in records]),
        loss=_numbers([record.loss for record in records]),
        last_loss=_numbers([record.last_loss for record in records]),
        validation_loss=_optional([record.validation_loss for record in records]),
        gradient_mean_weights=_optional([record.gradient_mean.weights for record in records]),
        gradient_mean_bias=_optional([record.gradient_mean.bias for record in records]),
        gradient_last_weights=_optional([record.gradient_last.weights for record in records]),
        gradient_last_bias=_optional([record.gradient_last.bias for record in records]),
        gradient_norm=_numbers([record.gradient_norm for record in records]),
        weights=_numbers([record.parameters.weights for record in records]),
        bias=_optional([record.parameters.bias for record in records]),
        learning_rate=_numbers([record.learning_rate for record in records]),
        seconds=_numbers([record.seconds for record in records]),
    )


def joined_epochs(parts: Sequence[Sequence[EpochRecord]]) -> EpochColumns:
    """All the records of some parts as columns, in their order; at least one, and all of the same model."""
    if not any(isinstance(part, EpochTable) for part in parts):
        return epoch_columns([record for part in parts for record in part])
    return join_columns([part.columns if isinstance(part, EpochTable) else epoch_columns(part) for part in parts])


def joined_steps(parts: Sequence[Sequence[StepRecord]]) -> StepColumns:
    """All the records of some parts as columns; at least one, and all of the same model."""
    tables = [part.columns for part in parts if isinstance(part, StepTable)]
    others = [record for part in parts if not isinstance(part, StepTable) for record in part]
    return join_columns([*tables, *([step_columns(others)] if others else [])])


def step_columns(records: Sequence[StepRecord]) -> StepColumns:
    """At least one record as columns, all of the same model."""
    return StepColumns(
        epoch=np.array([record.epoch for record in records]),
        step=np.array([record.step for record in records]),
        loss=_numbers([record.loss for record in records]),
        gradient_weights=_optional([record.gradient.weights for record in records]),
        gradient_bias=_optional([record.gradient.bias for record in records]),
        weights=_numbers([record.parameters.weights for record in records]),
        bias=_optional([record.parameters.bias for record in records]),
    )


def _numbers(values: Sequence[Any]) -> Array:
    return np.array(values, dtype=np.float64)


def _optional(values: Sequence[Any]) -> Array | None:
    return None if values[0] is None else _numbers(values)


def _parameters_at(weights: Array | None, bias: Array | None, index: int) -> Parameters:
    return Parameters(_list_at(weights, index), _number_at(bias, index))


def _list_at(rows: Array | None, index: int) -> list[float] | None:
    return None if rows is None else rows[index].tolist()


def _number_at(numbers: Array | None, index: int) -> float | None:
    return None if numbers is None else float(numbers[index])
