"""The least-squares problem of a job, reduced once to a few rows that have the same minimum and the same curvature.

A QR factorisation reduces the N rows to at most K + 1, K being the parameters that learn, with the same singular
values and the same residuals; all else is read off these. XᵀX is never formed, for it squares the condition number
(Björck, Numerical Methods for Least Squares Problems, 1996). The cost is O(N·D·min(N, D)).
"""

import math
import sys
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from slope.arrays import Array
from slope.spec import TrainingSpec

Learned = tuple[Array, float | None]
"""Weights (D) and bias of the space trained in."""


@dataclass(frozen=True)
class Problem:
    """‖design·θ − target‖²/N + l2·‖the first `features` of θ‖², over the parameters θ (K) that learn."""

    design: Array
    target: Array
    features: int
    l2: float
    rows: int | None = None
    """N, where fewer rows stand for them; otherwise as many as there are."""

    @property
    def count(self) -> int:
        return len(self.target) if self.rows is None else self.rows


@dataclass(frozen=True)
class Reduced:
    """The same problem in M ≤ K + 1 rows: design = Q·rows·diag(2^exponents), target = Q·target·2^target_exponent.

    Fewer rows than features are first rotated into the directions they span, `basis` (D × N), so that K ≤ N + 1. A
    rotation changes no length: neither the penalty nor which minimum is the shortest.
    """

    rows: Array
    target: Array
    exponents: NDArray[np.int32]
    target_exponent: int
    ridge: Array  # K: the square roots of the penalties
    count: int  # N
    basis: Array | None

    @property
    def tolerance(self) -> float:
        """The fraction of the largest singular value up to which the others count as zero, as in NumPy."""
        return max(self.count, len(self.ridge)) * sys.float_info.epsilon

    def own_sizes(self) -> Array:
        """Columns divided by these have the proportions they have in the data. K numbers from 1 up."""
        return np.asarray(np.ldexp(1.0, self.exponents.max() - self.exponents))

    def even_sizes(self, rows: Array) -> Array:
        """Columns divided by these have one size; not the rotated ones, some of which may be rounding alone."""
        sizes = np.linalg.norm(rows, axis=0) if self.basis is None else np.ones(rows.shape[1])
        return np.where(sizes > 0, sizes, 1.0)


def reduce(problem: Problem) -> Reduced:
    """Scale by powers of two, which rounds nothing and keeps squares in range; rotate; factorise."""
    count, features = problem.count, problem.features
    wide, basis = count < features, None
    exponents, target_exponent = powers_of_two(problem.design), int(powers_of_two(problem.target))
    if wide:
        exponents[:] = exponents.max()  # one scale for all, for a rotation must not bend
    design, target = np.ldexp(problem.design, -exponents), np.ldexp(problem.target, -target_exponent)
    if wide:
        basis = np.linalg.qr(design[:, :features].T).Q
        design = np.hstack([design[:, :features] @ basis, design[:, features:]])
        exponents, features = exponents[: design.shape[1]], count
    triangle = np.asarray(np.linalg.qr(np.column_stack([design, target]), mode="r"))
    ridge = np.where(np.arange(design.shape[1]) < features, math.sqrt(problem.l2), 0.0)
    return Reduced(triangle[:, :-1], triangle[:, -1], exponents, target_exponent, ridge, count, basis)


def powers_of_two(values: Array) -> NDArray[np.int32]:
    """Per column, or of a vector: the power of two just above the largest magnitude; 0 where all is zero."""
    return np.asarray(np.frexp(np.abs(values).max(axis=0))[1])


def rank_and_condition(reduced: Reduced) -> tuple[int, float | None]:
    """The condition is ‖X‖·‖X⁺‖, two largest singular values: the smallest of X itself may be lost in rounding."""
    sizes, own = reduced.even_sizes(reduced.rows), reduced.own_sizes()
    _, values, directions = np.linalg.svd(reduced.rows / sizes, full_matrices=False)
    rank = int((values > reduced.tolerance * values[0]).sum())
    inverse = directions.T / values * (own / sizes)[:, None]
    if rank < len(sizes) or reduced.basis is not None or not np.isfinite(inverse).all():
        return rank, None
    return rank, finite_or_none(norm(reduced.rows / own) * norm(inverse))


def minimum(reduced: Reduced) -> Array:
    """The parameters that learn, at the minimum."""
    # Past 1e150 a penalty leaves nothing of its weight that float64 could see, and its square must not overflow.
    ridge = np.minimum(np.ldexp(math.sqrt(reduced.count) * reduced.ridge, -reduced.exponents), 1e150)
    solution = _least_of_equals(reduced, ridge)
    if solution is None:
        solution = _least_with_penalty(reduced, ridge)
    theta = np.ldexp(solution, reduced.target_exponent - reduced.exponents)
    split = min(reduced.count, len(theta))  # the bias is not rotated
    return theta if reduced.basis is None else np.append(reduced.basis @ theta[:split], theta[split:])


def _least_with_penalty(reduced: Reduced, ridge: Array) -> Array:
    """The ridge enters as K more rows, ridge·θ ≈ 0."""
    if ridge.any() and ridge[-1] == 0:
        return _least_beside_bias(reduced, ridge)
    rows = np.vstack([reduced.rows, np.diag(ridge)])
    target = np.concatenate([reduced.target, np.zeros(len(ridge))])
    solution, rank = _least_squares(rows, target, reduced.even_sizes(rows), reduced.tolerance)
    if rank == len(solution):
        return solution
    shortest, _ = _least_squares(rows, target, reduced.own_sizes(), reduced.tolerance)
    least, error = (np.linalg.norm(rows @ theta - target) for theta in (solution, shortest))
    return shortest if error <= least * (1 + 1e-9) + 1e-12 * np.linalg.norm(target) else solution


def _least_beside_bias(reduced: Reduced, ridge: Array) -> Array:
    """The bias, last and without a penalty, is taken out first: weights under a strong one keep their digits so."""
    bias, others = reduced.rows[:, -1:], reduced.rows[:, :-1]
    triangle = np.asarray(np.linalg.qr(np.hstack([bias, others, reduced.target[:, None]]), mode="r"))
    (first, *across, whole), rest = triangle[0], triangle[1:, 1:]
    beside = replace(
        reduced,
        rows=rest[:, :-1],
        target=rest[:, -1],
        exponents=reduced.exponents[:-1],
        ridge=reduced.ridge[:-1],
    )
    weights = _least_with_penalty(beside, ridge[:-1])
    return np.append(weights, (whole - np.dot(across, weights)) / first)


def _least_of_equals(reduced: Reduced, ridge: Array) -> Array | None:
    """Where the rows leave directions free in which a faint penalty alone decides; None where they do not.

    As K more rows, the penalty's decision there would drown in the rounding of the rows. So the free directions are
    taken out first: every combination a of the others has the one completion that the penalty likes best, `ways·a`,
    whatever the penalty's strength.
    """
    sizes = reduced.even_sizes(reduced.rows)
    strength = (ridge / sizes).max()
    if not 0 < strength < 1:
        return None
    left, values, right = np.linalg.svd(reduced.rows / sizes)
    rank = int((values > reduced.tolerance * values[0]).sum())
    if rank == len(sizes):
        return None
    bound, free = right[:rank].T, right[rank:].T
    weights = (ridge / sizes / strength)[:, None]
    if np.linalg.svd(weights * free, compute_uv=False)[-1] < reduced.tolerance:
        return None  # one of them is the bias alone, next to columns beyond all proportion
    ways = bound - free @ np.linalg.lstsq(weights * free, weights * bound)[0]
    rows = np.vstack([np.diag(values[:rank]), strength * weights * ways])
    target = np.append(left[:, :rank].T @ reduced.target, np.zeros(len(sizes)))
    return np.asarray(ways @ np.linalg.lstsq(rows, target)[0] / sizes)


def _least_squares(rows: Array, target: Array, sizes: Array, tolerance: float) -> tuple[Array, int]:
    """θ (K) with the least ‖rows·θ − target‖ and, among those, the least ‖sizes·θ‖; and the rank found."""
    left, values, right = np.linalg.svd(rows / sizes, full_matrices=False)
    kept = values > tolerance * values[0]
    return right[kept].T @ (left[:, kept].T @ target / values[kept]) / sizes, int(kept.sum())


def stable_rate(reduced: Reduced, curvature: float) -> float:
    """2/λ_max of curvature/N·XᵀX + 2·l2·diag(1, …, 1, 0 for the bias); 0 or inf beyond the range of float64."""
    ridge = math.sqrt(2) * reduced.ridge
    top = max(int(reduced.exponents.max()), int(powers_of_two(ridge)))
    rows = np.ldexp(reduced.rows, reduced.exponents - top) * math.sqrt(curvature / reduced.count)
    root = norm(np.vstack([rows, np.diag(np.ldexp(ridge, -top))]))  # √λ_max / 2^top
    return float(np.square(np.ldexp(math.sqrt(2) / root, -top)))


def norm(matrix: Array) -> np.float64:
    """The largest singular value."""
    return np.float64(np.linalg.svd(matrix, compute_uv=False)[0])


def finite_or_none(value: float) -> float | None:
    """A positive number, or None where float64 could not hold it."""
    return float(value) if 0 < value < math.inf else None


def problem_of_triangle(triangle: Array, spec: TrainingSpec, start: Learned, rows: int) -> Problem:
    """What learns on the one side, what is frozen on the other; of this many rows."""
    ones, x, y = triangle[:, :1], triangle[:, 1:-1], triangle[:, -1]
    weights, bias = start
    if "weights" in spec.frozen:
        return Problem(ones, y - x @ weights, 0, 0.0, rows)
    if spec.learns_bias:
        return Problem(np.hstack([x, ones]), y, x.shape[1], spec.l2, rows)
    return Problem(x, y - ones[:, 0] * (bias or 0.0), x.shape[1], spec.l2, rows)


def completed(learned: Array, spec: TrainingSpec, start: Learned) -> Learned:
    """With what is frozen."""
    weights, bias = start
    return (
        weights if "weights" in spec.frozen else learned[: len(weights)],
        float(learned[-1]) if spec.learns_bias else bias,
    )
