"""Covariances of the coefficients: of rows that are equally noisy, and others, which need a look at every row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np

from slope.data import Array
from slope.statistics.distributions import Reference
from slope.statistics.solution import Solution

Corrected = Literal["HC0", "HC1", "HC2", "HC3"]
CORRECTED: tuple[str, ...] = get_args(Corrected)
CLUSTER = "cluster:"
NONROBUST = "nonrobust"


@dataclass(frozen=True)
class Covariance:
    """CMCᵀ of the coefficients in the data's own units, C being the solution's spread in them (P × R)."""

    name: str
    middle: Array
    """M (R × R)."""
    reference: Reference
    f_denominator: float
    """The second degrees of freedom of F."""

    @classmethod
    def nonrobust(cls, solution: Solution) -> Self:
        """σ²(XᵀX)⁻¹."""
        freedom, size = solution.degrees_of_freedom, solution.spread.shape[1]
        return cls(NONROBUST, solution.variance * np.eye(size), Reference(freedom), freedom)

    @classmethod
    def robust(cls, name: str, solution: Solution, found: Mapping[str, Any]) -> Self:
        """From what a `Sandwich` of all rows came to. As statsmodels has it, with tails of the normal distribution."""
        rows, count = solution.rows, solution.spectrum.rank
        middle, clusters = np.array(found["middle"]), found["clusters"]
        factor, denominator = 1.0, solution.degrees_of_freedom
        if clusters is not None:
            factor, denominator = clusters / (clusters - 1) * (rows - 1) / (rows - count), clusters - 1.0
        elif name == "HC1":
            factor = rows / (rows - count)
        return cls(name, factor * middle, Reference(None), denominator)

    def standard_errors(self, spread: Array) -> Array:
        """Of the coefficients, or of combinations of them, whose spread (n × R) is given."""
        squares = np.einsum("ij,ij->i", spread @ self.middle, spread)
        return np.asarray(np.sqrt(np.maximum(squares, 0.0)))

    def matrix(self, spread: Array) -> Array:
        """Of all coefficients, whose spread (P × R) is given."""
        return np.asarray(spread @ self.middle @ spread.T)
