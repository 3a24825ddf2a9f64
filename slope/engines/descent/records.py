"""What a descent stands at and what it found, and the records that are made of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from slope.arrays import Array, Indices
from slope.columns import EpochColumns, StepColumns
from slope.engines.descent.design import Design
from slope.engines.layouts.columns import EpochNumbers, StepNumbers
from slope.engines.layouts.rules import BUFFERS
from slope.records import EpochTable
from slope.spec import TrainingSpec


@dataclass
class State:
    """All that the rest of a run depends on, between two steps."""

    theta: Array
    """K: the parameters that learn."""
    gradient: Array
    """K: what the leaves' `.grad` hold."""
    buffers: Array
    """3 × K: what the update left for the next."""
    steps: int = 0
    """Taken in the whole run."""

    @classmethod
    def at(cls, theta: Array, initial: float = 0.0) -> "State":
        return cls(theta, np.zeros_like(theta), np.full((BUFFERS, len(theta)), initial))

    @classmethod
    def of(cls, document: dict[str, Any]) -> "State":
        """From what `document` gave."""
        theta, gradient, buffers = (document[name].numpy().copy() for name in ("theta", "gradient", "buffers"))
        return cls(theta, gradient, buffers, document["steps"])

    @classmethod
    def of_torch(cls, kept: dict[str, Any], spec: TrainingSpec, steps: int) -> "State":
        """From the checkpoint of an earlier version, whose engines had torch's optimizer and leaves."""
        leaves = [name for name, is_there in (("weights", True), ("bias", spec.fit_bias)) if is_there]
        learn = [index for index, name in enumerate(leaves) if name not in spec.frozen]
        state = cls.at(_joined([kept["parameters"][index] for index in learn]))
        gradients = [kept["gradients"][index] for index in learn]
        if all(gradient is not None for gradient in gradients):
            state.gradient = _joined(gradients)
        kinds = _TORCH_BUFFERS[spec.optimizer.name]
        moved = kept["optimizer"]["state"]
        for row, name in enumerate(kinds):
            parts = [moved.get(index, {}).get(name) for index in range(len(learn))]
            if all(part is not None for part in parts):
                state.buffers[row] = _joined(parts)
        state.steps = steps
        return state

    @property
    def document(self) -> dict[str, Any]:
        arrays = {"theta": self.theta, "gradient": self.gradient, "buffers": self.buffers}
        return {name: torch.from_numpy(array) for name, array in arrays.items()} | {"steps": self.steps}

    def copy(self) -> "State":
        return State(self.theta.copy(), self.gradient.copy(), self.buffers.copy(), self.steps)


_TORCH_BUFFERS = {
    "sgd": ("momentum_buffer",),
    "adam": ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"),
    "adamw": ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"),
    "rmsprop": ("square_avg", "momentum_buffer", "grad_avg"),
    "adagrad": ("sum",),
}
"""What torch.optim calls the rows of `State.buffers`."""


def _joined(leaves: list[torch.Tensor]) -> Array:
    return np.concatenate([leaf.double().cpu().numpy().reshape(-1) for leaf in leaves])


@dataclass(frozen=True)
class Block:
    """What was found of E epochs. Behind `finished`, or after a number that is not finite, it holds nothing."""

    orders: Indices
    epochs: EpochNumbers
    steps: StepNumbers
    rates: Array
    """The learning rates of the epochs: E × 1, or × the steps of each."""
    validation: Array | None
    finished: int
    """Epochs whose steps have all been taken."""
    broken_step: int
    """Of the epoch after those: where its loss was not finite."""

    def finite_epochs(self, largest: float) -> int:
        """How many come before the first with a number that is not below the largest."""
        finished, numbers = self.finished, (self.epochs.theta, self.epochs.loss, self.epochs.gradient_norm)
        watched = [each[:finished] for each in (*numbers, self.validation) if each is not None]
        if all(max(each.max(initial=0), -each.min(initial=0)) < largest for each in watched):
            return finished  # without an array as large as these: nearly always
        with np.errstate(invalid="ignore"):
            finite = [(np.abs(each.reshape(finished, -1)) < largest).all(axis=1) for each in watched]
        return int(np.all(finite, axis=0).argmin())


def epoch_table(block: Block, design: Design, first: int, seconds: float) -> EpochTable:
    """The records of a block that begins with an epoch; `seconds` are those of one."""
    found, epochs = block.epochs, len(block.epochs.loss)
    mean_weights, mean_bias = design.gradients(found.gradient_mean)
    has_last = len(found.last_loss) > 0
    last_weights, last_bias = design.gradients(found.gradient_last if has_last else found.gradient_mean)
    weights, bias = design.models(found.theta)
    columns = EpochColumns(
        epoch=np.arange(first, first + epochs),
        loss=found.loss,
        last_loss=found.last_loss if has_last else found.loss,
        validation_loss=block.validation,
        gradient_mean_weights=mean_weights,
        gradient_mean_bias=mean_bias,
        gradient_last_weights=last_weights,
        gradient_last_bias=last_bias,
        gradient_norm=found.gradient_norm,
        weights=weights,
        bias=bias,
        learning_rate=block.rates[:, 0],
        seconds=np.full(epochs, seconds),
    )
    kept = len(block.steps.loss)
    return EpochTable(columns, step_columns(block.steps, design, first, kept // epochs) if kept else None)


def step_columns(found: StepNumbers, design: Design, epoch: int, steps: int, first: int = 0) -> StepColumns:
    """Of steps from `first` on, counted from the beginning of an epoch, of which each has so many."""
    counted = np.arange(first, first + len(found.loss))
    gradient_weights, gradient_bias = design.gradients(found.gradient)
    weights, bias = design.models(found.theta)
    return StepColumns(
        epoch=epoch + counted // steps,
        step=counted % steps,
        loss=found.loss,
        gradient_weights=gradient_weights,
        gradient_bias=gradient_bias,
        weights=weights,
        bias=bias,
    )
