"""The columns that a job's least squares are solved in: what learns on the one side, what is frozen on the other."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from slope.arrays import Array
from slope.data import initial_parameters
from slope.scaling import Scaler
from slope.spec import TrainingSpec

BIAS = "bias"
"""What the coefficient of the ones is called."""


@dataclass(frozen=True)
class Frame:
    """The bias comes first, as the ones do in a triangle, and then the D weights."""

    spec: TrainingSpec
    scaler: Scaler | None
    """Of the columns, where they are standardized here."""
    weights: Array
    """Before the first step (D), in this frame: where they are frozen, they stay so."""
    bias: float | None

    @classmethod
    def of(cls, spec: TrainingSpec, features: int, scaler: Scaler | None) -> Self:
        """What the job trains in; `scaler` is what it standardizes with."""
        weights, bias = initial_parameters(features, spec, scaler)
        return cls(spec, scaler, np.array(weights), bias)

    @property
    def in_own_units(self) -> Self:
        """The same where nothing is standardized."""
        if self.scaler is None:
            return self
        return type(self)(self.spec, None, *self.scaler.in_own_units(self.weights, self.bias))

    @property
    def learns_weights(self) -> bool:
        return "weights" not in self.spec.frozen

    @property
    def penalty(self) -> float:
        """On the squares of the weights that learn."""
        return self.spec.l2 if self.learns_weights else 0.0

    def names(self, features: list[str]) -> list[str]:
        """Of the coefficients (P)."""
        return [*[BIAS] * self.spec.learns_bias, *(features if self.learns_weights else [])]

    def split(self, ones: Array, x: Array, y: Array) -> tuple[Array, Array]:
        """The design (n × P) and what it is to explain (n), of rows, or of the triangle that stands for them.

        `ones` are what the bias is multiplied by (n).
        """
        if self.scaler:
            x = (x - np.outer(ones, self.scaler.means)) / self.scaler.deviations
            y = y - ones * self.scaler.target_mean
        left = y if self.learns_weights else y - x @ self.weights
        if not self.spec.learns_bias and self.bias:
            left = left - ones * self.bias
        return np.hstack([*[ones[:, None]] * self.spec.learns_bias, *[x] * self.learns_weights]), left

    def split_rows(self, x: Array, y: Array | None = None) -> tuple[Array, Array]:
        """The same of rows x (n × D) and y (n); without y, what is frozen is what is left, with the other sign."""
        return self.split(np.ones(len(x)), x, np.zeros(len(x)) if y is None else y)

    def chosen(self, weights: Array, bias: float | None) -> Array:
        """Those of the parameters that are coefficients (P)."""
        return np.array([*[bias] * self.spec.learns_bias, *(weights if self.learns_weights else [])], float)

    def to_own_units(self) -> tuple[Array, Array]:
        """The map (P × P) and what is added (P) that make coefficients of this frame those of the data itself."""
        size = self.spec.learns_bias + (len(self.weights) if self.learns_weights else 0)
        linear, shift = np.eye(size), np.zeros(size)
        if self.scaler and self.learns_weights:
            weights = slice(int(self.spec.learns_bias), None)
            linear[weights, weights] = np.diag(1 / self.scaler.deviations)
        if self.scaler and self.spec.learns_bias:
            shift[0] = self.scaler.target_mean
            if self.learns_weights:
                linear[0, 1:] = -self.scaler.means / self.scaler.deviations
            else:
                shift[0] -= self.weights @ (self.scaler.means / self.scaler.deviations)
        return linear, shift
