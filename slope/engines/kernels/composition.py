"""An epoch of descent followed from every starting point together."""

import numpy as np

from slope.engines.kernels.compiling import compiled


@compiled
def _follow(row, target, map_, residual) -> None:
    for c in range(len(row)):
        residual[c] = row[c]
    residual[len(row)] = -target
    for d in range(len(row)):
        moves, share = map_[d], row[d]
        for c in range(len(residual)):
            residual[c] += share * moves[c]


@compiled
def _move(row, step, map_, residual) -> None:
    for d in range(len(row)):
        moves, share = map_[d], step * row[d]
        for c in range(len(residual)):
            moves[c] += share * residual[c]


@compiled
def compose(rows, targets, batch, rate, map_, residuals) -> None:
    """Follow steps of gradient descent on squared errors from every starting point at once.

    Each step moves the parameters θ by an affine function of where they started: so θ − θ₀ = map·(θ₀, 1) after any of
    them. rows is N × K, targets N; `map_` (K × K + 1) is taken on from where it stands. `residuals` (N × K + 1) becomes
    each row's residual before its step as a function of (θ₀, 1), divided by the root of the rows in its step.
    """
    for first in range(0, len(rows), batch):
        count = min(batch, len(rows) - first)
        for i in range(first, first + count):
            _follow(rows[i], targets[i], map_, residuals[i])
        for i in range(first, first + count):
            _move(rows[i], -2.0 * rate / count, map_, residuals[i])
        if count > 1:
            residuals[first : first + count] *= 1.0 / np.sqrt(count)


@compiled
def follow(moves, moves_before_last, triangle, theta, before, moved, before_last, losses) -> None:
    """Take E epochs by their map (K × K + 1).

    θ (K) moves on. Of each epoch: θ before it, by how much it moves it, θ before its last step (E × K), and the sum of
    its steps' losses (E), which the triangle (K + 1 square) gives.
    """
    for epoch in range(len(before)):
        for k in range(len(theta)):
            before[epoch, k] = theta[k]
        start = before[epoch]
        losses[epoch] = _squares(triangle, start)
        for k in range(len(theta)):
            moved[epoch, k] = _affine(moves, k, start)
            before_last[epoch, k] = start[k] + _affine(moves_before_last, k, start)
            theta[k] += moved[epoch, k]


@compiled
def _affine(map_, row, start):
    value = map_[row, len(start)]
    for k in range(len(start)):
        value += map_[row, k] * start[k]
    return value


@compiled
def _squares(triangle, start):
    """Of the triangle's product with (θ, −1)."""
    total = 0.0
    for row in range(len(triangle)):
        value = -triangle[row, len(start)]
        for k in range(row, len(start)):
            value += triangle[row, k] * start[k]
        total += value * value
    return total
