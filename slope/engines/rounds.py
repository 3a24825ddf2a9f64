"""One epoch of K models: what is read off them while they train. slope.recorder does the same for one."""

from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slope.columns import EpochColumns, StepColumns, join_columns
from slope.data import Array, Indices
from slope.engines.models import Models, Pair, per_model


@dataclass(frozen=True)
class Round:
    """One epoch of all models that were training."""

    places: Indices
    """Of the M models that finished it."""
    epochs: EpochColumns
    """Their M records."""
    diverged: dict[int, int]
    """By place: the step in which the numbers of a model stopped being finite."""
    step_places: Indices
    steps: StepColumns | None
    """What is kept of the steps, the finite ones of diverged models too; row i is of the model at `step_places[i]`."""


@dataclass(frozen=True)
class Moment:
    """One step of K models: losses and gradients, and the parameters before they move."""

    loss: Tensor
    gradient: Pair
    parameters: Pair


class RoundRecorder:
    """Collects one epoch of `steps` steps. What the next step would overwrite is copied immediately."""

    def __init__(self, models: Models, epoch: int, steps: int, *, keep_steps: bool) -> None:
        self._models = models
        self._epoch = epoch
        self._steps = steps
        self._started = perf_counter()
        width, device = models.weights.shape[1], models.weights.device
        self._seen = 0
        self._fine = torch.ones(width, dtype=torch.bool, device=device)
        self._taken = torch.zeros(width, dtype=torch.int64, device=device)
        self._loss_sum = torch.zeros(width, dtype=torch.float64, device=device)
        self._sums = [torch.zeros_like(leaf, dtype=torch.float64) for leaf in models.learnable]
        self._last: Moment | None = None
        self._kept: list[Moment] | None = [] if keep_steps else None

    def step(self, loss: Tensor) -> None:
        """Take the K losses of one step and what it left in the models, between its backward pass and its update."""
        self._fine &= loss.isfinite()
        self._taken += self._fine
        self._loss_sum += loss
        for total, leaf in zip(self._sums, self._models.learnable, strict=True):
            assert leaf.grad is not None  # it has just been back-propagated
            total += leaf.grad
        self._seen += 1
        if self._kept is not None or self._seen == self._steps:
            self._last = Moment(loss, self._models.gradient(), self._models.parameters())
        if self._kept is not None and self._last is not None:
            self._kept.append(self._last)

    def round(self, live: set[int], learning_rates: Array, validation_loss: Tensor | None) -> Round:
        """The records of the whole epoch, after its last update."""
        everyone = self._everyone(learning_rates, validation_loss)
        taken = self._taken.numpy(force=True)
        running = np.array(sorted(live))
        fine = (taken == self._steps) & _finite_rows(everyone)
        broken = running[~fine[running]]
        diverged = {int(place): min(int(taken[place]), self._steps - 1) for place in broken}
        places = running[fine[running]]
        return Round(places, everyone.at(places), diverged, *self._steps_of(running, taken))

    def _everyone(self, learning_rates: Array, validation_loss: Tensor | None) -> EpochColumns:
        """The records of all K, whatever they are worth."""
        assert self._last is not None  # an epoch has at least one step
        means = [per_model(total) / self._steps for total in self._sums]
        mean_weights = means.pop(0) if self._models.weights.requires_grad else None
        mean_bias = means.pop(0) if means else None
        parameters, width = self._models.parameters(), len(learning_rates)
        return EpochColumns(
            epoch=np.full(width, self._epoch),
            loss=per_model(self._loss_sum) / self._steps,
            last_loss=per_model(self._last.loss),
            validation_loss=_numbers(validation_loss),
            gradient_mean_weights=mean_weights,
            gradient_mean_bias=mean_bias,
            gradient_last_weights=_numbers(self._last.gradient.weights),
            gradient_last_bias=_numbers(self._last.gradient.bias),
            gradient_norm=_norms(mean_weights, mean_bias),
            weights=per_model(self._models.weights),
            bias=_numbers(parameters.bias),
            learning_rate=learning_rates,
            seconds=np.full(width, perf_counter() - self._started),
        )

    def _steps_of(self, running: Indices, taken: Indices) -> tuple[Indices, StepColumns | None]:
        """The kept steps of models before the step in which they broke, as far as their gradients are finite."""
        parts, places = [], []
        for step, moment in enumerate(self._kept or []):
            columns = _step_columns(self._epoch, step, moment)
            fine = running[(step < taken[running]) & _finite_gradients(columns)[running]]
            parts.append(columns.at(fine))
            places.append(fine)
        if not parts:
            return running[:0], None
        return np.concatenate(places), join_columns(parts)


Mask = NDArray[np.bool_]


def _step_columns(epoch: int, step: int, moment: Moment) -> StepColumns:
    loss = per_model(moment.loss)
    assert moment.parameters.weights is not None
    return StepColumns(
        epoch=np.full(len(loss), epoch),
        step=np.full(len(loss), step),
        loss=loss,
        gradient_weights=_numbers(moment.gradient.weights),
        gradient_bias=_numbers(moment.gradient.bias),
        weights=per_model(moment.parameters.weights),
        bias=_numbers(moment.parameters.bias),
    )


def _numbers(values: Tensor | None) -> Array | None:
    return None if values is None else per_model(values)


def _norms(weights: Array | None, bias: Array | None) -> Array:
    """Euclidean norms of K gradients. hypot does not overflow where the squares would."""
    columns = [] if weights is None else list(weights.T)
    with np.errstate(all="ignore"):
        norms: Array = np.hypot.reduce(columns if bias is None else [*columns, bias])
    return norms


def _finite_rows(columns: EpochColumns) -> Mask:
    """Of which models the loss, the norm, the validation loss and the parameters are finite."""
    watched = (columns.loss, columns.gradient_norm, columns.validation_loss, columns.bias, *columns.weights.T)
    return _all_finite(watched)


def _finite_gradients(columns: StepColumns) -> Mask:
    watched = (columns.gradient_bias, *(() if columns.gradient_weights is None else columns.gradient_weights.T))
    return _all_finite(watched)


def _all_finite(columns: Iterable[Array | None]) -> Mask:
    """Row by row, over the columns that there are."""
    finite: Mask = np.logical_and.reduce([np.isfinite(column) for column in columns if column is not None])
    return finite
