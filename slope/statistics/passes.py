"""What passes over the rows that a job trains on find: their triangle, and Durbin and Watson's d."""

import math
from typing import Any, Protocol

import numpy as np

from slope.arrays import Array, Indices
from slope.reduced_rows import ReducedColumns, ReducedRows
from slope.statistics.solution import Solution
from slope.statistics.weighting import Weighting, log_sum
from slope.triangle import Triangle, Triangulation


class Pass(Protocol):
    """Takes the rows in their order, some at a time."""

    def add(
        self, x: Array, y: Array, places: Indices, others: Array | None = None, weights: Array | None = None
    ) -> None:
        """More rows: x (n × D), y (n), which of the dataset they are (n), columns (n × K) that were asked for, and how
        much the rows count, more than 0 (n), where they do not count alike."""

    def result(self) -> dict[str, Any]:
        """What all rows came to, as JSON keeps it."""


class TrianglePass:
    """The triangle of the columns of x and y, and their extremes."""

    def __init__(self, features: int) -> None:
        self._taken = Triangulation(features + 1)
        self._lowest, self._highest = np.full(features + 1, np.inf), np.full(features + 1, -np.inf)
        self._logarithms: float | None = None

    def add(
        self, x: Array, y: Array, places: Indices, others: Array | None = None, weights: Array | None = None
    ) -> None:
        if len(y):
            table = np.column_stack([x, y])
            self._taken.add(list(table.T), None if weights is None else np.sqrt(weights))
            if weights is not None:
                self._logarithms = (self._logarithms or 0.0) + log_sum(weights)
            np.minimum(self._lowest, table.min(axis=0), out=self._lowest)
            np.maximum(self._highest, table.max(axis=0), out=self._highest)

    def result(self) -> dict[str, Any]:
        triangle = self._taken.triangle()
        return {
            "rows": 0 if triangle is None else triangle.rows,
            "triangle": None if triangle is None else triangle.values.tolist(),
            "lowest": self._lowest.tolist(),
            "highest": self._highest.tolist(),
            "log_weights": self._logarithms,
        }


def columns_of(found: dict[str, Any]) -> ReducedColumns | None:
    """What stands for the rows of a `TrianglePass`; None where it is beyond the range of float64."""
    columns = columns_as_given(found)
    return columns if columns is None or not _is_weighted(found) else columns.evened


def weighting_of(found: dict[str, Any]) -> Weighting | None:
    """Of the same rows; None where they count alike."""
    if found["triangle"] is None or not _is_weighted(found):
        return None
    rows, factor = found["rows"], found["rows"] / found["triangle"][0][0] ** 2
    return Weighting(factor, found["log_weights"] + rows * math.log(factor))


def _is_weighted(found: dict[str, Any]) -> bool:
    return found.get("log_weights") is not None  # a pass that was kept before there were weights does not say so


def columns_as_given(found: dict[str, Any]) -> ReducedColumns | None:
    """The same, the weights not scaled."""
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

    def add(
        self, x: Array, y: Array, places: Indices, others: Array | None = None, weights: Array | None = None
    ) -> None:
        if len(y):
            residuals = self._solution.residuals(x, y, weights)
            before = residuals[0] if self._last is None else self._last
            self._differences += float(np.square(np.diff(residuals, prepend=before)).sum())
            self._last = float(residuals[-1])

    def result(self) -> dict[str, Any]:
        squares = self._solution.squares
        return {"value": self._differences / squares if squares > 0 else None}
