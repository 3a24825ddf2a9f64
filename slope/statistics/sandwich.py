"""What a second pass over the rows finds for covariances that take rows for unequally noisy, or not for independent.

White (1980); MacKinnon, White (1985) for HC1 to HC3; Liang, Zeger (1986) for clusters. Sums of fourth powers are in
them: they do not follow from a triangle.
"""

from typing import Any

import numpy as np

from slope.arrays import Array, Indices
from slope.statistics.influence import ALONE
from slope.statistics.solution import Solution

MOST_CLUSTERS = 100_000


class TooManyClusters(Exception):
    """Of so many that nearly every row is one of its own."""

    def __init__(self) -> None:
        super().__init__(
            f"There are more than {MOST_CLUSTERS:,} clusters: where nearly every row is one, HC0 to HC3 say the same"
        )


class Sandwich:
    """Σ eᵢ²·uᵢuᵢᵀ of rows uᵢ = xᵢC in the directions of a solution's spread C, eᵢ by HC0, HC2 or HC3."""

    def __init__(self, solution: Solution, name: str) -> None:
        self._solution, self._name = solution, name
        size = solution.spread.shape[1]
        self._middle = np.zeros((size, size))
        self._alone: list[int] = []

    def add(
        self, x: Array, y: Array, places: Indices, others: Array | None = None, weights: Array | None = None
    ) -> None:
        """More rows: x (n × D), y (n), and which of the dataset they are (n)."""
        directions, residuals = directed(self._solution, x, y, weights)
        if self._name != "HC0":
            left = 1 - np.einsum("ij,ij->i", directions, directions)
            self._alone += places[left <= ALONE][: 1 - len(self._alone)].tolist()
            residuals = residuals / np.maximum(left, ALONE) ** (0.5 if self._name == "HC2" else 1.0)
        directions *= residuals[:, None]
        self._middle += directions.T @ directions

    def result(self) -> dict[str, Any]:
        """As `Covariance.robust` reads it."""
        return {"covariance": _between(self._solution, self._middle), "clusters": None, "alone": self._alone}


class ClusterSandwich:
    """Σ s_c·s_cᵀ over the clusters c, s_c being the sum of eᵢ·uᵢ over the cluster's rows."""

    def __init__(self, solution: Solution) -> None:
        self._solution = solution
        self._names = np.empty(0)
        self._sums = np.empty((0, solution.spread.shape[1]))

    def add(
        self, x: Array, y: Array, places: Indices, others: Array | None = None, weights: Array | None = None
    ) -> None:
        """More rows: x (n × D), y (n), and their clusters as the only column of `others`. Raises TooManyClusters."""
        assert others is not None
        directions, residuals = directed(self._solution, x, y, weights)
        names = np.concatenate([self._names, others[:, 0]])
        sums = np.concatenate([self._sums, directions * residuals[:, None]])
        order = np.argsort(names, kind="stable")
        names = names[order]
        starts = np.flatnonzero(np.diff(names, prepend=np.nan) != 0)
        if len(starts) > MOST_CLUSTERS:
            raise TooManyClusters
        self._names, self._sums = names[starts], np.add.reduceat(sums[order], starts, axis=0)

    def result(self) -> dict[str, Any]:
        """As `Covariance.robust` reads it."""
        covariance = _between(self._solution, self._sums.T @ self._sums)
        return {"covariance": covariance, "clusters": len(self._names), "alone": []}


def directed(solution: Solution, x: Array, y: Array, weights: Array | None) -> tuple[Array, Array]:
    """Rows in the directions of the solution's spread (n × R), and their residuals (n), both weighted."""
    design, left = solution.split_rows(x, y, weights)
    return design @ solution.spread, left - design @ solution.estimates


def _between(solution: Solution, middle: Array) -> list[list[float]]:
    """CMCᵀ in the data's own units: another solution of the same rows may have another C, which differs in signs."""
    _, spread = solution.own
    with np.errstate(all="ignore"):
        found: list[list[float]] = (spread @ middle @ spread.T).tolist()
    return found
