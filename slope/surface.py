"""The loss as a function of one or two parameters, the others held: a formula of the squared error, else a grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slope.arrays import Array
from slope.spec import TrainingSpec

POINTS = 41
"""Of a grid, along each of its parameters."""


@dataclass(frozen=True)
class Design:
    """What learns (n × P, the bias first) and what it is to explain (n); squares of n over `rows` are the mean loss.

    They are the rows themselves, times the roots of their weights, or a triangle that stands for them.
    """

    columns: Array
    target: Array
    rows: int


@dataclass(frozen=True)
class Bowl:
    """loss + ½·(θ − centre)ᵀ·hessian·(θ − centre)"""

    hessian: Array
    centre: Array
    loss: float


def bowl_of(design: Design, spec: TrainingSpec, chosen: Sequence[int], held: Array) -> Bowl:
    """The squared error, with its l2, over the chosen coefficients; all others are as `held` (P) has them."""
    others = np.array([index for index in range(len(held)) if index not in chosen], int)
    columns = design.columns[:, list(chosen)]
    left = design.target - design.columns[:, others] @ held[others]
    ridge = np.array([0.0 if _is_bias(index, spec) else spec.l2 for index in chosen])
    stacked = np.vstack([columns, np.diag(np.sqrt(design.rows * ridge))])
    centre = np.linalg.lstsq(stacked, np.concatenate([left, np.zeros(len(chosen))]), rcond=None)[0]
    outside = spec.l2 * float(np.square(held[[i for i in others if not _is_bias(i, spec)]]).sum())
    loss = float(np.square(columns @ centre - left).sum() / design.rows + ridge @ np.square(centre)) + outside
    return Bowl(2 / design.rows * columns.T @ columns + 2 * np.diag(ridge), centre, loss)


def grid_of(
    design: Design, weights: Array | None, spec: TrainingSpec, chosen: Sequence[int], held: Array, axes: Sequence[Array]
) -> Array:
    """The mean loss (Y × X) of rows as they are, of which each counts as its weight (n) says."""
    others = [index for index in range(len(held)) if index not in chosen]
    left = design.columns[:, others] @ held[others] - design.target
    learned = design.columns[:, list(chosen)]
    second = axes[1] if len(axes) > 1 else np.zeros(1)
    found = np.empty((len(second), len(axes[0])))
    point = held.copy()
    for row, value in enumerate(second):
        shifted = left + learned[:, 1] * value if len(chosen) > 1 else left
        for column, first in enumerate(axes[0]):
            point[list(chosen)] = [first, value][: len(chosen)]
            found[row, column] = np.average(row_losses(shifted + learned[:, 0] * first, spec), weights=weights) + (
                _penalty(point, spec)
            )
    return found


def row_losses(residuals: Array, spec: TrainingSpec) -> Array:
    """Of ŷ − y."""
    size = np.abs(residuals)
    if spec.loss == "absolute_error":
        return size
    if spec.loss == "huber":
        delta = spec.huber_delta
        return np.where(size <= delta, 0.5 * size * size, delta * (size - 0.5 * delta))
    return size * size


def _penalty(point: Array, spec: TrainingSpec) -> float:
    weights = point[int(spec.learns_bias) :]
    return float(spec.l2 * weights @ weights + spec.l1 * np.abs(weights).sum())


def _is_bias(index: int, spec: TrainingSpec) -> bool:
    return spec.learns_bias and index == 0
