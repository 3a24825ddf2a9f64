"""Losses and gradients at many points by one call of autograd: its word on what compiled code has found."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from slope.data import Array, Indices
from slope.engines.design import Design

_NUMBERS = 2**14
"""Of the rows that are looked at for one check; of more points an even sample is taken."""
_TOLERANCE = 1e-9
"""Of a gradient, relative to the largest that its summands may be."""


class GradientsDiffer(ArithmeticError):
    """Compiled code and autograd do not find the same gradient at the same point."""


def check(design: Design, thetas: Array, gradients: Array, batches: Callable[[Indices], Indices] | None = None) -> None:
    """Hold M gradients at M points (M × K) against autograd's. Raises GradientsDiffer.

    `batches` gives the rows of some of the points' batches, as many for each; None stands for all of the rows.
    """
    chosen = _sample(len(thetas), design)
    thetas, gradients, rows = thetas[chosen], gradients[chosen], batches(chosen) if batches else None
    _, found = differentiate(design, thetas, rows)
    apart = np.abs(found - gradients) > _allowed(design, thetas, rows)
    if apart.any():
        point, parameter = np.argwhere(apart)[0]
        raise GradientsDiffer(
            f"At {thetas[point].tolist()} the derivative by parameter {parameter} is {found[point, parameter]!r} "
            f"by autograd, and {gradients[point, parameter]!r} by compiled code"
        )


def _sample(count: int, design: Design) -> Indices:
    """All, or as many as are looked at, evenly spread."""
    most = max(1, _NUMBERS // max(1, design.x.size))
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).astype(int)


def differentiate(design: Design, thetas: Array, batches: Indices | None) -> tuple[Array, Array]:
    """The losses (M) and gradients (M × K) of points as autograd has them."""
    points = torch.tensor(thetas, requires_grad=True)
    losses = _losses(design, points, batches)
    losses.sum().backward()  # type: ignore[no-untyped-call]
    assert points.grad is not None  # it has just been back-propagated
    gradients: Array = points.grad.numpy()
    return losses.detach().numpy(), gradients


def _losses(design: Design, points: Tensor, batches: Indices | None) -> Tensor:
    losses = _row_losses(design, _residuals(design, points, batches)).sum(dim=1)
    if not design.rows:
        losses = losses / (len(design.targets) if batches is None else batches.shape[1])
    return losses + design.offset + _penalties(design, points)


def _residuals(design: Design, points: Tensor, batches: Indices | None) -> Tensor:
    """M × the rows of a batch."""
    weights = points[:, : design.x.shape[1]]
    if batches is None:
        residuals = weights @ torch.tensor(design.x).T - torch.tensor(design.targets)
    else:
        x, targets = torch.from_numpy(design.x[batches]), torch.from_numpy(design.targets[batches])
        residuals = (x @ weights[..., None])[..., 0] - targets
    return residuals + points[:, -1:] if design.adds_bias else residuals


def _row_losses(design: Design, residuals: Tensor) -> Tensor:
    match design.spec.loss:
        case "squared_error":
            return residuals.square()
        case "absolute_error":
            return residuals.abs()
        case "huber":
            aims = torch.zeros_like(residuals)
            return functional.huber_loss(residuals, aims, reduction="none", delta=design.spec.huber_delta)


def _penalties(design: Design, points: Tensor) -> Tensor:
    weights = points[:, : design.penalised]
    return design.spec.l2 * weights.square().sum(dim=1) + design.spec.l1 * weights.abs().sum(dim=1)


def _allowed(design: Design, thetas: Array, batches: Indices | None) -> Array:
    """How far two ways to add up the same gradients may be apart, M × K."""
    spec, largest_numbers = design.spec, design.largest if batches is None else design.largest_of(np.unique(batches))
    largest, target = largest_numbers
    weights = np.abs(thetas[:, : design.penalised])
    with np.errstate(over="ignore", invalid="ignore"):
        residuals = (np.abs(thetas) @ largest + target)[:, None]
        allowed = _TOLERANCE * (2 * residuals + 1) * largest * (len(design.targets) if design.rows else 1)
        allowed[:, : design.penalised] += _TOLERANCE * (2 * spec.l2 * weights + spec.l1)
    if spec.loss == "absolute_error":
        # Its slope jumps by 2 where a row is met, and rounding decides on which side.
        with torch.no_grad():
            found = _residuals(design, torch.from_numpy(thetas), batches).abs().numpy()
        allowed += (found <= _TOLERANCE * residuals).mean(axis=1)[:, None] * 2 * largest
    return np.asarray(allowed)
