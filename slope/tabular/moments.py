"""Count, extremes, mean and deviation of a column that comes in parts."""

import math

import numpy as np

from slope.data import Array

_PLAIN = 400
"""Numbers up to 2^±400 have squares that neither overflow nor vanish; others are first divided by a power of two."""


class Moments:
    """Grows by parts: Chan, Golub, LeVeque (1979), Updating formulae and a pairwise algorithm for variances."""

    def __init__(self) -> None:
        self.count = 0
        self.minimum = math.inf
        self.maximum = -math.inf
        self._exponent = 0
        self._mean = 0.0  # in units of 2^exponent
        self._squares = 0.0  # Σ(x − mean)², in units of 4^exponent

    def add(self, values: Array) -> None:
        """More numbers of the column, all finite."""
        if len(values) == 0:
            return
        low, high = float(values.min()), float(values.max())
        self.minimum, self.maximum = min(self.minimum, low), max(self.maximum, high)
        exponent = math.frexp(max(-low, high))[1]
        if abs(exponent) <= _PLAIN:
            exponent = 0
        unit = np.ldexp(values, -exponent) if exponent else values
        mean = float(unit.mean())
        apart = unit - mean
        self._merge(len(values), mean, float(np.square(apart, out=apart).sum()), exponent)

    @property
    def mean(self) -> float | None:
        """None of no numbers."""
        return math.ldexp(self._mean, self._exponent) if self.count else None

    @property
    def deviation(self) -> float | None:
        """Of the population, as the scaler takes it; None of no numbers."""
        return math.ldexp(math.sqrt(self._squares / self.count), self._exponent) if self.count else None

    def _merge(self, count: int, mean: float, squares: float, exponent: int) -> None:
        if mean or squares:  # zeros fit any unit: that of other numbers must not be lost on them
            self._use_unit(max(self._exponent, exponent) if self._mean or self._squares else exponent)
        mean = math.ldexp(mean, exponent - self._exponent)
        squares = math.ldexp(squares, 2 * (exponent - self._exponent))
        total = self.count + count
        step = mean - self._mean
        self._mean += step * (count / total)
        self._squares += squares + step * step * (self.count * count / total)
        self.count = total

    def _use_unit(self, exponent: int) -> None:
        self._mean = math.ldexp(self._mean, self._exponent - exponent)
        self._squares = math.ldexp(self._squares, 2 * (self._exponent - exponent))
        self._exponent = exponent
