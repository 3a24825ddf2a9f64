"""Reads the numbers of an epoch off the model while it trains."""

import math
from collections.abc import Iterable, Iterator
from functools import reduce
from operator import add
from time import perf_counter
from typing import Any

import torch

from slope.model import LinearModel, Parameters
from slope.records import Diverged, EpochRecord, StepRecord


class EpochRecorder:
    """Collects one epoch of `steps` steps. Numbers are copied out immediately: the next step overwrites them."""

    def __init__(
        self,
        model: LinearModel,
        epoch: int,
        steps: int,
        *,
        keep_steps: bool,
        largest: float = math.inf,
        largest_loss: float = math.inf,
    ) -> None:
        """What is not below `largest` counts as infinite: a model may reach further than the dtype of its job."""
        self._largest = largest
        self._largest_loss = largest_loss
        self._model = model
        self._epoch = epoch
        self._steps = steps
        self._started = perf_counter()
        self._taken = 0
        self._loss = math.nan
        self._loss_sum = 0.0
        self._gradient = Parameters(None, None)
        self._kept: list[StepRecord] | None = [] if keep_steps else None
        unkept = [] if keep_steps else model.learnable
        self._gradient_sums = [torch.zeros_like(leaf, dtype=torch.float64) for leaf in unkept]

    def step(self, loss: float) -> None:
        """Take the numbers of one step, between its backward pass and its update."""
        if not abs(loss) < self._largest_loss:
            raise self._diverged(self._taken)
        self._loss = loss
        self._loss_sum += loss
        if self._kept is not None:
            self._keep(self._kept, loss)
        else:
            self._add_gradient()
        self._taken += 1

    def epoch(self, learning_rate: float, validation_loss: float | None) -> EpochRecord:
        """The record of the whole epoch, after its last update."""
        parameters, gradient_mean = self._model.parameters(), self._gradient_mean()
        loss = self._loss_sum / self._taken
        norm = math.hypot(*(gradient_mean.weights or ()), gradient_mean.bias or 0.0)
        numbers = (loss, norm, validation_loss or 0.0)
        if not (are_all_finite(parameters, self._largest) and all(abs(number) < self._largest for number in numbers)):
            raise self._diverged(self._taken - 1)
        return EpochRecord(
            epoch=self._epoch,
            loss=loss,
            last_loss=self._loss,
            validation_loss=validation_loss,
            gradient_mean=gradient_mean,
            gradient_last=self._gradient,
            gradient_norm=norm,
            parameters=parameters,
            learning_rate=learning_rate,
            seconds=perf_counter() - self._started,
            steps=self._kept or [],
        )

    def _keep(self, kept: list[StepRecord], loss: float) -> None:
        self._gradient = self._model.gradient()
        kept.append(StepRecord(self._epoch, self._taken, loss, self._gradient, self._model.parameters()))

    def _add_gradient(self) -> None:
        for gradient_sum, leaf in zip(self._gradient_sums, self._model.learnable, strict=True):
            assert leaf.grad is not None  # it has just been back-propagated
            gradient_sum.add_(leaf.grad)
        if self._taken == self._steps - 1:
            self._gradient = self._model.gradient()

    def _gradient_mean(self) -> Parameters:
        """Summed in the order of the steps, in float64, so that it does not depend on what was kept."""
        if self._kept is None:
            sums: Iterator[Any] = iter([gradient_sum.tolist() for gradient_sum in self._gradient_sums])
            weights = next(sums) if self._model.weights.requires_grad else None
            bias = next(sums, None)
        else:
            all_weights, all_biases = zip(*[step.gradient for step in self._kept], strict=True)
            weights = None if all_weights[0] is None else [_sum(column) for column in zip(*all_weights, strict=True)]
            bias = None if all_biases[0] is None else _sum(all_biases)
        return Parameters(
            None if weights is None else [weight / self._taken for weight in weights],
            None if bias is None else bias / self._taken,
        )

    def _diverged(self, step: int) -> Diverged:
        return Diverged(self._epoch, step, [kept for kept in self._kept or [] if are_all_finite(kept.gradient)])


def _sum(numbers: Iterable[Any]) -> float:
    """The sum from zero and one after another. np.sum would add in pairs, and Python's sum compensates since 3.12."""
    return reduce(add, numbers, 0.0)


def are_all_finite(parameters: Parameters, largest: float = math.inf) -> bool:
    """Whether all numbers are below `largest`."""
    return all(abs(number) < largest for number in (*(parameters.weights or ()), parameters.bias or 0.0))
