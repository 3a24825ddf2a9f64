"""What a compiled descent writes: a row an epoch, and a row a step where they are kept."""

import math
from typing import NamedTuple

import numpy as np

from slope.arrays import Array


def in_one_piece(*shapes: tuple[int, ...]) -> list[Array]:
    """Arrays that hold nothing yet, one after another in memory: of large pieces the system gives large pages."""
    sizes = [math.prod(shape) for shape in shapes]
    parts = np.split(np.empty(sum(sizes)), np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


class EpochNumbers(NamedTuple):
    """E epochs of K parameters. The mean gradient and loss are the only ones where an epoch is one step."""

    loss: Array
    gradient_mean: Array
    gradient_norm: Array
    theta: Array
    """After the epoch."""
    before: Array
    """Before its last step."""
    fresh: Array
    """What its last step added to the gradient; no rows, as below, where that is the mean."""
    gradient_last: Array
    last_loss: Array

    @classmethod
    def room(cls, epochs: int, parameters: int, *, has_last: bool) -> "EpochNumbers":
        """Where an epoch has no last step besides its only one, what is before it is what the one before left."""
        each, shape, last = (epochs,), (epochs, parameters), (epochs if has_last else 0, parameters)
        path = (epochs + 1, parameters)
        loss, mean, norm, thetas, *rest = in_one_piece(each, shape, each, path, last, last, last, last[:1])
        before, *others = rest
        return cls(loss, mean, norm, thetas[1:], before if has_last else thetas[:-1], *others)


class StepNumbers(NamedTuple):
    """S steps of K parameters: each loss and gradient, and the parameters before it."""

    loss: Array
    gradient: Array
    theta: Array

    @classmethod
    def room(cls, steps: int, parameters: int) -> "StepNumbers":
        return cls(*in_one_piece((steps,), (steps, parameters), (steps, parameters)))
