"""What passes over the rows that a job trains on find: their triangle, and Durbin and Watson's d."""

from typing import Any, Protocol

import numpy as np

from slope.data import Array, Indices
from slope.reduced_rows import ReducedColumns, ReducedRows
from slope.statistics.solution import Solution
from slope.triangle import Triangle, Triangulation


class Pass(Protocol):
    """Takes the rows in their order, some at a time."""

    def add(self, x: Array, y: Array, places: Indices, others: Array | None = None) -> None:
        """More rows: x (n × D), y (n), which of the dataset they are (n), and columns (n × K) that were asked for."""

    def result(self) -> dict[str, Any]:
        """What all rows came to, as JSON keeps it."""


class TrianglePass:
    """The triangle of the columns of x and y, and their extremes."""

    def __init__(self, features: int) -> None:
        self._taken = Triangulation(features + 1)
        self._lowest, self._highest = np.full(features + 1, np.inf), np.full(features + 1, -np.inf)

    def add(self, x: Array, y: Array, places: Indices, others: Array | None = None) -> None:
        if len(y):
            table = np.column_stack([x, y])
            self._taken.add(list(table.T))
            np.minimum(self._lowest, table.min(axis=0), out=self._lowest)
            np.maximum(self._highest, table.max(axis=0), out=self._highest)

    def result(self) -> dict[str, Any]:
        triangle = self._taken.triangle()
        return {
            "rows": 0 if triangle is None else triangle.rows,
            "triangle": None if triangle is None else triangle.values.tolist(),
            "lowest": self._lowest.tolist(),
            "highest": self._highest.tolist(),
        }


def columns_of(found: dict[str, Any]) -> ReducedColumns | None:
    """What stands for the rows of a `TrianglePass`; None where it is beyond the range of float64."""
    if found["triangle"] is None:
        return None
    values = np.array(found["triangle"])
    chosen = Triangle(values, found["rows"]).chosen(range(len(values) - 1))
    return ReducedColumns(ReducedRows(chosen, found["rows"]), np.array(found["lowest"]), np.array(found["highest"]))


class DurbinWatson:
    """Σ(eᵢ − eᵢ₋₁)²/Σeᵢ² of the residuals of neighbouring rows."""

    def __init__(self, solution: Solution) -> None:
        self._solution = solution
        self._last: float | None = None
        self._differences = 0.0

    def add(self, x: Array, y: Array, places: Indices, others: Array | None = None) -> None:
        if len(y):
            residuals = self._solution.residuals(x, y)
            before = residuals[0] if self._last is None else self._last
            self._differences += float(np.square(np.diff(residuals, prepend=before)).sum())
            self._last = float(residuals[-1])

    def result(self) -> dict[str, Any]:
        squares = self._solution.squares
        return {"value": self._differences / squares if squares > 0 else None}
