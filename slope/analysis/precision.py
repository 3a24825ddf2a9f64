"""Columns that float32 is too coarse for: far from zero and close together, their numbers are rounded to a few."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slope.data import Array
from slope.rounding import COARSE, coarseness, spacing
from slope.spec import TrainingSpec

_MOST_NAMED = 5


@dataclass(frozen=True)
class Spread:
    """How far a column's numbers are from zero, and from each other."""

    name: str
    largest: float
    """Of the magnitudes."""
    deviation: float
    """Of the population."""

    @property
    def coarseness(self) -> float:
        return coarseness(self.largest, self.deviation)


def spreads_of(columns: Array, names: Sequence[str]) -> list[Spread]:
    """Of an N × C table."""
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers as large as that float32 holds none
        largest, deviations = np.abs(columns).max(axis=0), columns.std(axis=0)
    is_constant = columns.min(axis=0) == columns.max(axis=0)  # rounding leaves the deviation a little above 0
    numbers = zip(names, largest.tolist(), np.where(is_constant, 0.0, deviations).tolist(), strict=True)
    return [Spread(*each) for each in numbers]


def precision_warnings(spec: TrainingSpec, features: Sequence[Spread], target: Spread) -> list[str]:
    """What to tell of columns that float32 rounds away. Those that are centred are centred before, in float64."""
    if spec.dtype != "float32" or (spec.standardize and spec.fit_bias):
        return []
    coarse = sorted(
        (each for each in [*features, target] if each.coarseness > COARSE), key=lambda each: -each.coarseness
    )
    if not coarse:
        return []
    worst, rest = coarse[0], len(coarse) - _MOST_NAMED
    names = ", ".join(each.name for each in coarse[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
    return [
        f"float32 is too coarse for {names}: at {worst.largest:.6g}, the largest number of {worst.name}, its numbers "
        f"are {spacing(worst.largest):.3g} apart, and the column's deviation is {worst.deviation:.3g}. "
        "Set dtype: float64."
    ]
