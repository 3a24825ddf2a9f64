"""Covariances of the coefficients: of rows that are equally noisy, and others, which need a look at every row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from slope.arrays import Array
from slope.statistics.distributions import Reference
from slope.statistics.solution import BeyondRange, Solution

CLUSTER = "cluster:"
NONROBUST = "nonrobust"


@dataclass(frozen=True)
class Covariance:
    """Of the coefficients in the data's own units. Raises BeyondRange where float64 does not hold it."""

    name: str
    matrix: Array
    """P × P."""
    reference: Reference
    f_denominator: float
    """The second degrees of freedom of F."""

    def __post_init__(self) -> None:
        if not np.isfinite(self.matrix).all():
            raise BeyondRange

    @classmethod
    def nonrobust(cls, solution: Solution) -> Self:
        """σ²(XᵀX)⁻¹."""
        freedom, (_, spread) = solution.degrees_of_freedom, solution.own
        with np.errstate(all="ignore"):
            matrix = solution.variance * (spread @ spread.T)
        return cls(NONROBUST, matrix, Reference(freedom), freedom)

    @classmethod
    def robust(cls, name: str, solution: Solution, found: Mapping[str, Any]) -> Self:
        """From what a `Sandwich` of all rows came to. As statsmodels has it, with tails of the normal distribution."""
        rows, count = solution.rows, solution.spectrum.rank
        factor, denominator = 1.0, solution.degrees_of_freedom
        if (clusters := found["clusters"]) is not None:
            factor, denominator = clusters / (clusters - 1) * (rows - 1) / (rows - count), clusters - 1.0
        elif name == "HC1":
            factor = rows / (rows - count)
        return cls(name, factor * np.array(found["covariance"]), Reference(None), denominator)

    @property
    def standard_errors(self) -> Array:
        """P."""
        return np.asarray(np.sqrt(np.maximum(self.matrix.diagonal(), 0.0)))
