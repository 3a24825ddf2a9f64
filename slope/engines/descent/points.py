"""Losses and gradients at many points by one call of autograd: its word on what compiled code has found."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from slope.arrays import Array, Indices
from slope.engines.descent.design import Design
from slope.spec import TrainingSpec

CHECKED_NUMBERS = 2**12
"""Of the rows that are looked at for one check; of more points an even sample is taken."""
_TOLERANCE = 1e-9
"""Of a gradient, relative to the largest that its summands may be."""


class GradientsDiffer(ArithmeticError):
    """Compiled code and autograd do not find the same gradient at the same point."""


class Own(NamedTuple):
    """What the loss has besides its rows: one number for all of the points, or one for each."""

    l1: Array
    l2: Array
    delta: Array

    @classmethod
    def of(cls, specs: Sequence[TrainingSpec]) -> Self:
        return cls(*np.array([(spec.l1, spec.l2, spec.huber_delta) for spec in specs], dtype=np.float64).T)


def check(
    design: Design,
    thetas: Array,
    gradients: Array,
    batches: Callable[[Indices], Indices] | None = None,
    specs: Sequence[TrainingSpec] | None = None,
) -> None:
    """Hold gradients at M points (M × K) against autograd's: of all, or of an even sample. Raises GradientsDiffer.

    `batches` gives the rows of some of the points' batches, as many for each; None stands for all of the rows.
    `specs` are the points' own, where they are of models that differ in their penalties.
    """
    rows = len(design.targets) if batches is None else batches(np.arange(1)).shape[1]
    most = max(1, CHECKED_NUMBERS // max(1, rows * design.x.shape[1]))
    chosen = np.linspace(0, len(thetas) - 1, min(most, len(thetas))).astype(int)
    thetas, gradients, looked_at = thetas[chosen], gradients[chosen], batches(chosen) if batches else None
    own = Own.of([design.spec] if specs is None else [specs[point] for point in chosen])
    _, found = differentiate(design, thetas, looked_at, own)
    apart = np.abs(found - gradients) > _allowed(design, thetas, looked_at, own)
    if apart.any():
        point, parameter = np.argwhere(apart)[0]
        raise GradientsDiffer(
            f"At {thetas[point].tolist()} the derivative by parameter {parameter} is {found[point, parameter]!r} "
            f"by autograd, and {gradients[point, parameter]!r} by compiled code"
        )


def differentiate(
    design: Design, thetas: Array, batches: Indices | None, own: Own | None = None
) -> tuple[Array, Array]:
    """The losses (M) and gradients (M × K) of points as autograd has them."""
    points = torch.tensor(thetas, requires_grad=True)
    losses = _losses(design, points, batches, own or Own.of([design.spec]))
    losses.sum().backward()  # type: ignore[no-untyped-call]
    assert points.grad is not None  # it has just been back-propagated
    gradients: Array = points.grad.numpy()
    return losses.detach().numpy(), gradients


def _losses(design: Design, points: Tensor, batches: Indices | None, own: Own) -> Tensor:
    losses = _row_losses(design, _residuals(design, points, batches), own).sum(dim=1)
    if not design.rows:
        losses = losses / (len(design.targets) if batches is None else batches.shape[1])
    return losses + design.offset + _penalties(design, points, own)


def _residuals(design: Design, points: Tensor, batches: Indices | None) -> Tensor:
    """M × the rows of a batch."""
    weights = points[:, : design.x.shape[1]]
    if batches is None:
        x, targets = design.tensors
        residuals = weights @ x.T - targets
    else:
        x, targets = torch.from_numpy(design.x[batches]), torch.from_numpy(design.targets[batches])
        residuals = (x @ weights[..., None])[..., 0] - targets
    return residuals + points[:, -1:] if design.adds_bias else residuals


def _row_losses(design: Design, residuals: Tensor, own: Own) -> Tensor:
    match design.spec.loss:
        case "squared_error":
            return residuals.square()
        case "absolute_error":
            return residuals.abs()
        case "huber":
            delta, sizes = torch.from_numpy(own.delta)[:, None], residuals.abs()
            return torch.where(sizes <= delta, 0.5 * residuals.square(), delta * (sizes - 0.5 * delta))


def _penalties(design: Design, points: Tensor, own: Own) -> Tensor:
    weights, l1, l2 = points[:, : design.penalised], torch.from_numpy(own.l1), torch.from_numpy(own.l2)
    return l2 * weights.square().sum(dim=1) + l1 * weights.abs().sum(dim=1)


def _allowed(design: Design, thetas: Array, batches: Indices | None, own: Own) -> Array:
    """How far two ways to add up the same gradients may be apart, M × K."""
    largest_numbers = design.largest if batches is None else design.largest_of(np.unique(batches))
    largest, target = largest_numbers
    weights = np.abs(thetas[:, : design.penalised])
    with np.errstate(over="ignore", invalid="ignore"):
        residuals = (np.abs(thetas) @ largest + target)[:, None]
        allowed = _TOLERANCE * (2 * residuals + 1) * largest * (len(design.targets) if design.rows else 1)
        allowed[:, : design.penalised] += _TOLERANCE * (2 * own.l2[:, None] * weights + own.l1[:, None])
    if design.spec.loss == "absolute_error":
        # Its slope jumps by 2 where a row is met, and rounding decides on which side.
        with torch.no_grad():
            found = _residuals(design, torch.from_numpy(thetas), batches).abs().numpy()
        allowed += (found <= _TOLERANCE * residuals).mean(axis=1)[:, None] * 2 * largest
    return np.asarray(allowed)
