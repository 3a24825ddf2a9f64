"""The analysis from what stands for the rows: the same numbers, but for those that every single row has a say in."""

import numpy as np
from numpy.typing import NDArray

from slope.analysis.analysis import r_squared_kind
from slope.analysis.least_squares import (
    Learned,
    completed,
    finite_or_none,
    minimum,
    powers_of_two,
    problem_of_triangle,
    rank_and_condition,
    reduce,
    stable_rate,
)
from slope.analysis.notes import notes_on
from slope.analysis.shortfall import Ending
from slope.answers.analysis import Analysis, Exact, Reached
from slope.arrays import Array
from slope.data import initial_parameters
from slope.reduced_rows import ReducedColumns, ReducedRows
from slope.scaling import Scaler
from slope.spec import TrainingSpec

_CONSTANT = 1e-24
"""A constant may have this much variance from rounding alone, as a fraction of its mean square."""


def analyse_columns(columns: ReducedColumns, spec: TrainingSpec) -> Analysis | None:
    """As `analyse` does for the rows. None where the numbers are beyond the range of float64.

    The largest rate of training row by row depends on the longest row, and is left out.
    """
    with np.errstate(all="ignore"):
        rows, scaler = columns.prepared(spec)
        try:
            return _analyse(columns, rows, scaler, spec) if np.isfinite(rows.triangle).all() else None
        except np.linalg.LinAlgError:
            return None  # as there


def reached_by(
    rows: ReducedRows, spec: TrainingSpec, weights: Array, bias: float | None, exact: float | None
) -> Reached:
    """What weights (D) and bias of the trained space achieve; `exact` is the loss of the exact solution."""
    with np.errstate(all="ignore"):
        loss = _loss(rows, spec, weights, bias)
        explained = _r_squared(rows, spec, weights, bias)
    if not np.isfinite(loss):
        return Reached(None, None, explained)
    return Reached(loss, None if exact is None else loss - exact, explained)


def ending_of_triangle(
    triangle: Array, rows: int, spec: TrainingSpec, start: Learned, learned: Learned
) -> Ending | None:
    """Of full-batch descent on `rows` rows, which a triangle over the columns 1, x and y stands for."""
    size = float(np.square(triangle[:, -1]).sum()) / rows
    variance = float(np.square(triangle[1:, -1]).sum()) / rows  # the first row is the direction of the ones
    spread = variance if spec.fit_bias else size
    if spread <= _CONSTANT * size or not np.isfinite(triangle).all():
        return None

    def numbers(weights: Array, bias: float | None) -> tuple[float, float]:
        """The loss and R²."""
        parameters = np.concatenate([[bias or 0.0], weights, [-1.0]])
        error = float(np.square(triangle @ parameters).sum()) / rows
        return error + spec.l2 * float(np.square(weights).sum()), 1 - error / spread

    with np.errstate(all="ignore"):
        few = reduce(problem_of_triangle(triangle, spec, start, rows))
        came, best = numbers(*learned), numbers(*completed(minimum(few), spec, start))
    return Ending(*came, *best, finite_or_none(stable_rate(few, 2.0))) if np.isfinite([*came, *best]).all() else None


def _analyse(columns: ReducedColumns, rows: ReducedRows, scaler: Scaler | None, spec: TrainingSpec) -> Analysis:
    first, bias = initial_parameters(rows.features, spec, scaler)
    start = np.array(first), bias
    problem = problem_of_triangle(rows.triangle, spec, start, rows.rows)
    reduced = reduce(problem)
    rank, condition_number = rank_and_condition(reduced)
    weights, bias = completed(minimum(reduced), spec, start)
    exact = _exact(rows, spec, weights, bias, scaler)
    analysis = Analysis(
        exact=exact,
        r_squared=_r_squared(rows, spec, weights, bias) if exact and _varies(columns, spec) else None,
        r_squared_kind=r_squared_kind(spec),
        rank=rank,
        rows=rows.rows,
        columns=problem.design.shape[1],
        condition_number=condition_number,
        max_stable_learning_rate=finite_or_none(stable_rate(reduced, 2.0)) if spec.loss == "squared_error" else None,
        max_stable_learning_rate_per_row=None,
        notes=[],
    )
    analysis.notes.extend(notes_on(_as_large(rows), _idle(columns, scaler, spec), spec, analysis, reduced))
    return analysis


def _exact(
    rows: ReducedRows, spec: TrainingSpec, weights: Array, bias: float | None, scaler: Scaler | None
) -> Exact | None:
    loss = _loss(rows, spec, weights, bias)
    if scaler:
        weights, bias = scaler.in_own_units(weights, bias)
    finite = np.isfinite([*weights, bias or 0.0, loss]).all()
    return Exact(weights.tolist(), bias, loss) if finite else None


def _loss(rows: ReducedRows, spec: TrainingSpec, weights: Array, bias: float | None) -> float:
    error = rows.squared_error(weights, bias or 0.0) / rows.rows
    return error + (spec.l2 * float(np.square(weights).sum()) if spec.l2 else 0.0)


def _r_squared(rows: ReducedRows, spec: TrainingSpec, weights: Array, bias: float | None) -> float | None:
    exponent = powers_of_two(rows.y)  # so that no square overflows
    residuals = np.ldexp(rows.x @ weights + rows.ones * (bias or 0.0) - rows.y, -exponent)
    apart = np.ldexp(rows.y[1:] if spec.fit_bias else rows.y, -exponent)  # the first row is that of the ones
    value = 1 - np.square(residuals).sum() / np.square(apart).sum()
    return float(value) if np.isfinite(value) else None


def _varies(columns: ReducedColumns, spec: TrainingSpec) -> bool:
    """Whether the targets do, or without a bias, whether they are not all 0."""
    lowest, highest = columns.lowest[-1], columns.highest[-1]
    return bool(lowest < highest if spec.fit_bias else lowest or highest)


def _idle(columns: ReducedColumns, scaler: Scaler | None, spec: TrainingSpec) -> NDArray[np.bool_]:
    """Of each feature whether it adds nothing (D)."""
    if spec.learns_bias:
        return columns.constant
    are_zeros = np.asarray((columns.lowest == 0) & (columns.highest == 0))[:-1]
    return are_zeros | columns.constant if scaler and spec.fit_bias else are_zeros  # those were centred


def _as_large(rows: ReducedRows) -> Array:
    """x with as large a root mean square in each column as that of all rows."""
    return rows.x * float(np.sqrt(len(rows.triangle) / rows.rows))
