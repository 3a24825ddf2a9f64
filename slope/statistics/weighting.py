"""How much each row counts in a fit."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from slope.arrays import Array


@dataclass(frozen=True)
class Weighting:
    """Of rows whose weights are above 0, which are scaled to a mean of 1: σ is that of a row of the mean weight."""

    factor: float
    """By which the weights are multiplied."""
    logarithms: float
    """The sum of those of the multiplied weights."""

    @classmethod
    def of(cls, weights: Array) -> Self:
        largest = float(weights.max())
        factor = 1 / (weights / largest).mean() / largest
        return cls(factor, log_sum(weights * factor))

    def roots(self, weights: Array) -> Array:
        """By which rows are multiplied so that their squares are weighted."""
        return np.sqrt(weights * self.factor)


def log_sum(weights: Array) -> float:
    return float(np.log(weights).sum())
