"""Columns and targets brought to a size that descent, and float32, can work with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from slope.arrays import Array
from slope.spec import TrainingSpec

COARSE = 0.01
"""float32's spacing at a column's largest number may be this fraction of its deviation; beyond, something is done.

Rounding to a spacing h adds a variance of h²/12: at this fraction about 1e-5 of the column's own.
"""


@dataclass(frozen=True)
class Scaler:
    """x_scaled = (x − means) / deviations, per feature; y_scaled = y − target_mean."""

    means: Array
    deviations: Array
    target_mean: float = 0.0
    """0 unless float32 would round the targets away."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """From what `document` gave."""
        target_mean = document.get("target_mean", 0.0)
        return cls(np.array(document["means"]), np.array(document["deviations"]), target_mean)

    @property
    def document(self) -> dict[str, Any]:
        """As JSON keeps it."""
        means, deviations = self.means.tolist(), self.deviations.tolist()
        return {"means": means, "deviations": deviations, "target_mean": self.target_mean}

    def apply(self, x: Array) -> Array:
        return (x - self.means) / self.deviations

    def in_own_units(self, weights: Array, bias: float | None) -> tuple[Array, float | None]:
        """Weights (D) and bias of the scaled data as those that give the same predictions on the data itself."""
        with np.errstate(over="ignore", invalid="ignore"):
            own = weights / self.deviations
            return own, None if bias is None else float(bias - own @ self.means + self.target_mean)

    def in_scaled_units(self, weights: Array, bias: float) -> tuple[Array, float]:
        """The other way round."""
        with np.errstate(over="ignore", invalid="ignore"):
            return weights * self.deviations, float(bias + weights @ self.means - self.target_mean)


def fit_scaler(x: Array, spec: TrainingSpec, weights: Array | None = None) -> Scaler:
    """Means and population deviations; without a bias the data is not centred, for no bias could make up for it.

    A constant feature keeps its scale. Its values say that it is one: rounding leaves its deviation a little above 0.
    """
    _, exponents = np.frexp(np.abs(x).max(axis=0))
    unit = np.ldexp(x, -exponents)  # exactly the same digits near 1, whose squares neither overflow nor vanish
    if weights is not None:
        return _fit_weighted(x, unit, exponents, spec, weights)
    means = np.ldexp(unit.mean(axis=0), exponents) if spec.fit_bias else np.zeros(x.shape[1])
    deviations = np.ldexp(unit.std(axis=0), exponents)
    return Scaler(means, np.where(x.min(axis=0) < x.max(axis=0), deviations, 1.0))


def _fit_weighted(x: Array, unit: Array, exponents: Array, spec: TrainingSpec, weights: Array) -> Scaler:
    """As if each row were there as often as its weight says; what counts for nothing has no say."""
    shares, counted = weights / len(weights), x[weights > 0]
    centres = shares @ unit
    deviations = np.ldexp(np.sqrt(shares @ np.square(unit - centres)), exponents)
    means = np.ldexp(centres, exponents) if spec.fit_bias else np.zeros(x.shape[1])
    return Scaler(
        means, np.where(counted.min(axis=0, initial=np.inf) < counted.max(axis=0, initial=-np.inf), deviations, 1.0)
    )


def fit_target_mean(y: Array, spec: TrainingSpec, weights: Array | None = None) -> float:
    """What is taken off these targets: see `centre_of_targets`."""
    with np.errstate(over="ignore", invalid="ignore"):
        if weights is not None and (weights > 0).any():
            shares = weights / weights.sum()
            centre = float(shares @ y)
            return centre_of_targets(centre, float(np.sqrt(shares @ np.square(y - centre))), spec)
        mean, deviation = (float(y.mean()), float(y.std())) if y.min() < y.max() else (0.0, 0.0)
    return centre_of_targets(mean, deviation, spec)


def centre_of_targets(mean: float, deviation: float, spec: TrainingSpec) -> float:
    """What is taken off the targets in float64: their mean where float32 would round them away, otherwise nothing."""
    if spec.dtype != "float32" or not spec.fit_bias:  # without a bias nothing could make up for it
        return 0.0
    return mean if coarseness(abs(mean) + deviation, deviation) > COARSE else 0.0


def float32_spacing(largest: float) -> float:
    """Between neighbours in float32, at a number."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.spacing(np.float32(largest)))


def coarseness(largest: float, deviation: float) -> float:
    """The spacing as a fraction of the deviation; 0 for a constant, which has nothing to lose."""
    return float32_spacing(largest) / deviation if deviation > 0 else 0.0
