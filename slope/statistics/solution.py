"""The exact solution of a job's least squares with what its uncertainty follows from, solved once from a triangle."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from slope.analysis.least_squares import Problem, minimum, reduce
from slope.arrays import Array
from slope.data import even_weights
from slope.reduced_rows import ReducedColumns
from slope.scaling import fit_scaler
from slope.spec import TrainingSpec
from slope.spec.names import counted
from slope.statistics.dependence import Spectrum
from slope.statistics.factor import Factor
from slope.statistics.frame import Frame
from slope.statistics.weighting import Weighting

TELLING = 1e-8
"""A column that has less than this share in a combination that comes to nothing has none but for rounding."""


class NoRowsLeft(Exception):
    """There are no more rows than coefficients."""

    def __init__(self, rows: int, coefficients: int) -> None:
        super().__init__(
            f"The job learnt {counted(coefficients, 'coefficient')} from {counted(rows, 'row')}:"
            " no row is left to tell noise by,"
            " which takes more rows than coefficients"
        )


class BeyondRange(Exception):
    """Numbers that float64 does not hold."""

    def __init__(self) -> None:
        super().__init__("The solution or its standard errors are beyond the range of float64: scale the data")


@dataclass(frozen=True)
class Solution:
    """The minimum of ‖Xθ − y‖² + N·l2·‖w‖², θ (P) being the bias, if it learns, and the weights of a frame."""

    frame: Frame
    rows: int
    """Those of a weight above 0."""
    triangle: Array
    """Of X (P × P) in the data's own units."""
    inverse: Array
    """A (P × R): AAᵀ is the inverse of XᵀX in the data's own units, in all directions that are there."""
    spectrum: Spectrum
    """Of X in the data's own units."""
    estimates: Array
    """θ, in the frame."""
    root: Array
    """B (P × R): BBᵀ is the inverse of XᵀX + N·l2·I, in the frame."""
    spread: Array
    """C (P × R): the estimates vary as σ²·CCᵀ, in the frame. The same as B where there is no penalty."""
    squares: float
    """‖Xθ − y‖²; 0 where rounding alone is left."""
    total: float
    """Of the same, of a model without features: ‖y − ȳ‖², or ‖y‖² where no bias learns."""
    weighting: Weighting | None = None
    """None where all rows count alike. With weights, all of this is of rows that are multiplied by their roots."""

    @property
    def free(self) -> Array:
        """Combinations of X's columns that come to nothing, and so are not known (P × K), without a penalty."""
        return self.spectrum.free if not self.frame.penalty else self.spectrum.free[:, :0]

    @cached_property
    def is_known(self) -> Array:
        """Of each coefficient whether the rows tell it from all others (P)."""
        return np.asarray((np.abs(self.free) < TELLING).all(axis=1))

    @cached_property
    def effective(self) -> float:
        """The trace of the map from y to its predictions: the coefficients that the penalty leaves free."""
        if not self.frame.penalty:
            return float(self.spectrum.rank)
        ridge = self.rows * self.frame.penalty * np.square(self.root[int(self.frame.spec.learns_bias) :]).sum()
        return float(len(self.estimates) - ridge)

    @property
    def degrees_of_freedom(self) -> float:
        """Of the residuals."""
        return self.rows - self.effective

    @property
    def variance(self) -> float:
        """σ², of the residuals."""
        return self.squares / self.degrees_of_freedom

    @cached_property
    def own(self) -> tuple[Array, Array]:
        """Estimates (P) and spread (P × R) in the data's own units."""
        linear, shift = self.frame.to_own_units()
        with np.errstate(all="ignore"):
            return linear @ self.estimates + shift, linear @ self.spread

    @property
    def log_weights(self) -> float:
        """The sum of the logarithms of the rows' weights."""
        return self.weighting.logarithms if self.weighting else 0.0

    def split_rows(self, x: Array, y: Array, weights: Array | None = None) -> tuple[Array, Array]:
        """As the frame does it, each row times the root of its weight."""
        design, left = self.frame.split_rows(x, y)
        if self.weighting is None or weights is None:
            return design, left
        roots = self.weighting.roots(weights)
        return design * roots[:, None], left * roots

    def residuals(self, x: Array, y: Array, weights: Array | None = None) -> Array:
        """y − ŷ of rows x (n × D) and y (n), times the roots of their weights."""
        design, left = self.split_rows(x, y, weights)
        return np.asarray(left - design @ self.estimates)


def solve_rows(x: Array, y: Array, spec: TrainingSpec, weights: Array | None = None) -> Solution:
    """Of the rows that a job trains on, in their own units: x (N × D), y (N), and weights above 0 (N).

    Raises NoRowsLeft and BeyondRange.
    """
    if len(y) == 0:
        raise NoRowsLeft(0, x.shape[1] * ("weights" not in spec.frozen) + spec.learns_bias)
    weighting = None if weights is None else Weighting.of(weights)
    scaler = fit_scaler(x, spec, None if weights is None else even_weights(weights)) if spec.standardize else None
    frame = Frame.of(spec, x.shape[1], scaler)
    if weighting is None or weights is None:
        return _solve(_Table(np.ones(len(y)), x, y, len(y)), frame)
    roots = weighting.roots(weights)
    return replace(_solve(_Table(roots, x * roots[:, None], y * roots, len(y)), frame), weighting=weighting)


def solve_columns(columns: ReducedColumns, spec: TrainingSpec, weighting: Weighting | None = None) -> Solution:
    """Of what stands for those rows, the weights scaled. Raises NoRowsLeft and BeyondRange."""
    _, scaler = columns.prepared(spec)
    whole = columns.whole
    solution = _solve(_Table(whole.ones, whole.x, whole.y, whole.rows), Frame.of(spec, whole.features, scaler))
    return replace(solution, weighting=weighting)


@dataclass(frozen=True)
class _Table:
    """Rows, or a triangle that stands for `rows` of them: the ones (n), x (n × D), y (n), all with the weights in
    them."""

    ones: Array
    x: Array
    y: Array
    rows: int

    def split(self, frame: Frame) -> tuple[Array, Array]:
        return frame.split(self.ones, self.x, self.y)


def _solve(table: _Table, trained: Frame) -> Solution:
    with np.errstate(all="ignore"):
        design, target = table.split(trained.in_own_units)
        if table.rows <= design.shape[1]:
            raise NoRowsLeft(table.rows, design.shape[1])
        if not (np.isfinite(design).all() and np.isfinite(target).all()):
            raise BeyondRange
        factor = Factor.of(design, target)
        spectrum = Spectrum.of(factor.upper, table.rows)
        solve = _ridge if trained.penalty else _deficient if spectrum.rank < factor.count else _plain
        solution = solve(table, trained, factor, spectrum)
    if not all(np.isfinite(each).all() for each in (*solution.own, solution.squares, solution.total)):
        raise BeyondRange
    return solution


def _plain(table: _Table, trained: Frame, factor: Factor, spectrum: Spectrum) -> Solution:
    frame, root, estimates = trained.in_own_units, factor.root, factor.solution
    squares = _squares(factor, frame, estimates, is_least=True)
    return Solution(frame, table.rows, factor.upper, root, spectrum, estimates, root, root, *squares)


def _deficient(table: _Table, trained: Frame, factor: Factor, spectrum: Spectrum) -> Solution:
    """Of many solutions the one that an analysis gives: the shortest in what the job trains in."""
    frame, root = trained.in_own_units, spectrum.root
    linear, shift = trained.to_own_units()
    estimates = linear @ _shortest(table, trained) + shift
    squares = _squares(factor, frame, estimates, is_least=False)
    return Solution(frame, table.rows, factor.upper, root, spectrum, estimates, root, root, *squares)


def _ridge(table: _Table, trained: Frame, own: Factor, spectrum: Spectrum) -> Solution:
    """The penalty enters as a row for each weight, √(N·l2)·w ≈ 0."""
    factor, biased = Factor.of(*table.split(trained)), int(trained.spec.learns_bias)
    strength = math.sqrt(table.rows * trained.penalty)
    penalty = np.diag([*[0.0] * biased, *[strength] * (factor.count - biased)])
    rows = np.vstack([factor.upper, penalty])
    root = Factor.of(rows, np.zeros(len(rows))).root
    inverse = own.root if spectrum.rank == own.count else spectrum.root
    estimates, spread = _shortest(table, trained), root @ (factor.upper @ root).T
    squares = _squares(factor, trained, estimates, is_least=False)
    return Solution(trained, table.rows, own.upper, inverse, spectrum, estimates, root, spread, *squares)


def _squares(factor: Factor, frame: Frame, estimates: Array, *, is_least: bool) -> tuple[float, float]:
    """Those of the residuals, and those of y."""
    found = factor.squares(estimates, is_least=is_least), factor.spread(is_centred=frame.spec.learns_bias)
    squares, total = np.ldexp(found, 2 * factor.exponent).tolist()
    return squares, total


def _shortest(table: _Table, trained: Frame) -> Array:
    """The least θ (P) of those that minimize, in what the job trains in."""
    design, target = table.split(trained)
    biased = int(trained.spec.learns_bias)
    with_bias_last = np.roll(design, -biased, axis=1)
    problem = Problem(with_bias_last, target, design.shape[1] - biased, trained.penalty, table.rows)
    return np.roll(minimum(reduce(problem)), biased)
