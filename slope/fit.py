"""How well predictions fit what was observed, of rows that come in parts."""

import math

import numpy as np

from slope.arrays import Array
from slope.tabular.summary import Moments


class Fit:
    """Grows by parts, in the memory of a few numbers."""

    def __init__(self) -> None:
        self._observed = Moments()
        self._residuals = Moments()
        self._is_finite = True

    def add(self, y: Array, predictions: Array) -> None:
        """More rows: what was observed (N), and what was predicted for it (N)."""
        with np.errstate(over="ignore", invalid="ignore"):
            residuals = y - predictions
        self._is_finite = self._is_finite and bool(np.isfinite(residuals).all())
        if self._is_finite:
            self._observed.add(y)
            self._residuals.add(residuals)

    @property
    def mean_squared_error(self) -> float | None:
        """None of no rows, and where a double does not hold it."""
        mean, deviation = self._residuals.mean, self._residuals.deviation
        if mean is None or deviation is None or not self._is_finite:
            return None
        return _finite(_square(mean) + _square(deviation))

    @property
    def r_squared(self) -> float | None:
        """1 − Σ(y − ŷ)² / Σ(y − ȳ)²; None where y is constant to a double's squares, too."""
        error, spread = self.mean_squared_error, _square(self._observed.deviation or 0.0)
        return _finite(1 - error / spread) if error is not None and spread else None


def _square(value: float) -> float:
    return value * value  # unlike `**`, this overflows to infinity


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
