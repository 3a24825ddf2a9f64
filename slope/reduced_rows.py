"""What stands for the rows of a job in its squared error: a triangle over the columns 1, x and y. NumPy alone."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from slope.arrays import Array
from slope.scaling import Scaler, centre_of_targets
from slope.spec import TrainingSpec

_CONSTANT = 1e-14
"""Targets that deviate by less than this fraction of their mean do so by rounding."""

_EVEN = 1e-9
"""Weights whose mean is 1 but for this need no scaling, and rows that count alike have none."""


@dataclass(frozen=True)
class ReducedRows:
    """`rows` rows of D features. `triangle` is (D + 2) × (D + 2), over the columns 1, x and y; float64."""

    triangle: Array
    rows: int

    @property
    def features(self) -> int:
        return len(self.triangle) - 2

    @property
    def ones(self) -> Array:
        """What became of the column of ones: D + 2 numbers, by which the bias is multiplied."""
        return self.triangle[:, 0]

    @property
    def x(self) -> Array:
        """(D + 2) × D."""
        return self.triangle[:, 1:-1]

    @property
    def y(self) -> Array:
        """D + 2 numbers."""
        return self.triangle[:, -1]

    @property
    def means(self) -> Array:
        """Of the D features."""
        means: Array = self.triangle[0, 1:-1] / self.triangle[0, 0]
        return means

    @property
    def deviations(self) -> Array:
        """Of the D features, of the population. The ones are taken out of them already: nothing cancels."""
        centred = self.triangle[1:, 1:-1]
        _, exponents = np.frexp(np.abs(centred).max(axis=0))
        unit = np.ldexp(centred, -exponents)  # near 1, where squares neither overflow nor vanish
        deviations: Array = np.ldexp(np.linalg.norm(unit, axis=0) / self.rows**0.5, exponents)
        return deviations

    @property
    def target_moments(self) -> tuple[float, float]:
        """Mean and deviation of the targets; a constant has none but for rounding, which is taken for none."""
        mean = float(self.triangle[0, -1] / self.triangle[0, 0])
        with np.errstate(over="ignore"):
            deviation = float(np.linalg.norm(self.triangle[1:, -1]) / self.rows**0.5)
        return mean, deviation if deviation > _CONSTANT * abs(mean) else 0.0

    def scaler(self, lowest: Array, highest: Array, spec: TrainingSpec) -> Scaler:
        """As `fit_scaler` fits it to the rows, but for rounding. The extremes of the features are D each."""
        means = self.means if spec.fit_bias else np.zeros_like(lowest)
        deviations = np.where(lowest < highest, self.deviations, 1.0)
        return Scaler(means, deviations, centre_of_targets(*self.target_moments, spec))

    def scaled(self, scaler: Scaler) -> Self:
        """The rows as a scaler leaves them."""
        triangle = self.triangle.copy()
        triangle[:, 1:-1] = (self.x - np.outer(self.ones, scaler.means)) / scaler.deviations
        triangle[:, -1] -= self.ones * scaler.target_mean
        return type(self)(triangle, self.rows)

    @property
    def evened(self) -> Self:
        """With the weights of its rows scaled to a mean of 1: the ones have their squares' sum."""
        total = float(self.triangle[0, 0]) ** 2
        if self.rows == 0 or total == 0 or abs(total / self.rows - 1) < _EVEN:
            return self
        return type(self)(self.triangle * (self.rows / total) ** 0.5, self.rows)

    def squared_error(self, weights: Array, bias: float) -> float:
        """‖Xw + b − y‖² over all rows, as a sum of D + 2 squares: nothing cancels near zero."""
        return float(np.square(self.x @ weights + bias * self.ones - self.y).sum())


@dataclass(frozen=True)
class ReducedColumns:
    """The rows with the extremes of their columns."""

    whole: ReducedRows
    lowest: Array
    """D + 1 numbers: the least of each feature, and of the target as the last."""
    highest: Array

    @property
    def evened(self) -> Self:
        """As the whole is."""
        return type(self)(self.whole.evened, self.lowest, self.highest)

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Of each feature whether it is (D)."""
        return np.asarray(self.lowest == self.highest)[:-1]

    def prepared(self, spec: TrainingSpec) -> tuple[ReducedRows, Scaler | None]:
        """What a job trains on, standardized where it asks for that."""
        if not spec.standardize:
            return self.whole, None
        scaler = self.whole.scaler(self.lowest[:-1], self.highest[:-1], spec)
        return self.whole.scaled(scaler), scaler
