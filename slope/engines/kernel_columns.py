"""What a compiled descent writes: a row an epoch, and a row a step where they are kept."""

from typing import NamedTuple

import numpy as np

from slope.data import Array


class EpochNumbers(NamedTuple):
    """E epochs of K parameters. The mean gradient and loss are the only ones where an epoch is one step."""

    loss: Array
    gradient_mean: Array
    gradient_norm: Array
    theta: Array
    """After the epoch."""
    last: Array
    """Of the last step: the parameters before it, what it added to the gradient, the gradient (K each), its loss."""

    @classmethod
    def room(cls, epochs: int, parameters: int) -> "EpochNumbers":
        shape = (epochs, parameters)
        last = np.empty((epochs, 3 * parameters + 1))
        return cls(np.empty(epochs), np.empty(shape), np.empty(epochs), np.empty(shape), last)


class StepNumbers(NamedTuple):
    """S steps of K parameters: each loss and gradient, and the parameters before it."""

    loss: Array
    gradient: Array
    theta: Array

    @classmethod
    def room(cls, steps: int, parameters: int) -> "StepNumbers":
        return cls(np.empty(steps), np.empty((steps, parameters)), np.empty((steps, parameters)))
