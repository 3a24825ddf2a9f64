"""Which rows hold the line: leverage, studentized residuals, Cook's distance and PRESS, by one pass over the rows.

Belsley, Kuh, Welsch, Regression Diagnostics (1980), chapter 2. What a fit without a row would say follows from its
leverage: none is made again.
"""

from dataclasses import fields
from typing import Any, get_args

import numpy as np

from slope.answers.statistics import Influence, InfluentialRow, Measure
from slope.arrays import Array, Indices
from slope.spec.names import listed
from slope.statistics.notes import reason_for_no_p_values
from slope.statistics.solution import Solution

MEASURES: tuple[Measure, ...] = get_args(Measure)
MOST_TOLD = 1000
"""Rows of an answer."""
_MOST_NAMED = 8
ALONE = 1e-10
"""A row of a leverage so near 1 holds a coefficient alone: without it the others do not tell that."""


class InfluencePass:
    """Keeps the first rows by some measures, and adds up PRESS."""

    def __init__(self, solution: Solution, measures: tuple[Measure, ...] = MEASURES, most: int = MOST_TOLD) -> None:
        self._solution = solution
        self._tops = {measure: _Top(measure, most) for measure in measures}
        self._press = 0.0
        self._alone: list[int] = []

    def add(
        self, x: Array, y: Array, places: Indices, others: Array | None = None, weights: Array | None = None
    ) -> None:
        """More rows, and which of the dataset they are (n)."""
        measured, press = measure(self._solution, x, y, weights)
        alone = np.flatnonzero(np.isnan(press))
        self._alone += places[alone[: MOST_TOLD - len(self._alone)]].tolist()
        self._press += float(np.nansum(press))
        table = np.column_stack([places, measured])
        for top in self._tops.values():
            top.add(table)

    def result(self) -> dict[str, Any]:
        """As `influence_of` reads it."""
        return {
            "press": None if self._alone else self._press,
            "alone": self._alone,
            "tops": {measure: top.rows() for measure, top in self._tops.items()},
        }


_COLUMNS = [field.name for field in fields(InfluentialRow)]


class _Top:
    """The rows of the greatest magnitude in one column, in bounded memory."""

    def __init__(self, measure: Measure, most: int) -> None:
        self._column, self._most = _COLUMNS.index(measure), most
        self._kept = np.empty((0, len(_COLUMNS)))

    def add(self, table: Array) -> None:
        if len(self._kept) == self._most:  # most rows of a long table are less than all that are kept
            table = table[self._sizes(table) > self._sizes(self._kept[-1:])]
        both = np.concatenate([self._kept, table])
        self._kept = both[np.argsort(-self._sizes(both), kind="stable")[: self._most]]

    def rows(self) -> list[list[float | None]]:
        return [[None if each != each else each for each in row] for row in self._kept.tolist()]

    def _sizes(self, table: Array) -> Array:
        return np.asarray(np.nan_to_num(np.abs(table[:, self._column]), nan=np.inf))


def measure(solution: Solution, x: Array, y: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """All but the first columns of an InfluentialRow (n × 6), and (y − ŷ)² without the row, weighted (n)."""
    design, left_over = solution.split_rows(x, y, weights)
    residuals, leverages = left_over - design @ solution.estimates, np.square(design @ solution.root).sum(axis=1)
    left = np.where(1 - leverages > ALONE, 1 - leverages, np.nan)
    reach = leverages if solution.root is solution.spread else np.square(design @ solution.spread).sum(axis=1)
    variance, freedom = solution.variance, solution.degrees_of_freedom
    with np.errstate(all="ignore"):
        press = np.square(residuals / left)
        cook = press * reach / (solution.effective * variance)
        standardized = residuals / np.sqrt(variance * (left - leverages + reach))
        others = (solution.squares - np.square(residuals) / left) / (freedom - 1)
        is_told = np.where(solution.frame.penalty or freedom <= 1, np.nan, 1.0)
        studentized = is_told * residuals / np.sqrt(np.where(others > 0, others, np.nan) * left)
        dffits = studentized * np.sqrt(leverages / left)
    own = residuals if weights is None else solution.residuals(x, y)
    measured = np.column_stack([leverages, own, standardized, studentized, cook, dffits])
    measured[~np.isfinite(measured)] = np.nan
    return measured, press


def influence_of(solution: Solution, found: dict[str, Any], by: Measure, top: int) -> Influence:
    """From what an `InfluencePass` found."""
    press, total = found["press"], solution.total
    notes = [*_penalty_notes(solution), *_alone_notes(found["alone"])]
    rows = [InfluentialRow(int(row), *numbers) for row, *numbers in found["tops"][by][:top]]
    explained = None if press is None or total == 0 else 1 - press / total
    return Influence("exact", solution.rows, press, explained, by, rows, notes)


def _penalty_notes(solution: Solution) -> list[str]:
    """Of jobs that minimize something else than squares."""
    if solution.frame.penalty:
        return [
            "The line is that of the ridge, its penalty as large without a row as with it: its residuals are no"
            " Student's t, and `studentized` and `dffits` are left out."
        ]
    if reason_for_no_p_values(solution.frame.spec):
        return ["The line is that of the squared error, not of the loss that the job minimized."]
    return []


def _alone_notes(alone: list[int]) -> list[str]:
    if not alone:
        return []
    rows = listed([str(row) for row in alone], _MOST_NAMED)
    return [
        f"A coefficient is held by one row alone, and there is no PRESS: without it the others do not tell it: {rows}."
    ]
