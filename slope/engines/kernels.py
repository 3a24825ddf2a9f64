"""Loops over rows that are compiled: NumPy has no word for a step that needs the one before.

Compiled for the processor at hand when they are imported first, and kept in numba's cache (NUMBA_CACHE_DIR, or next to
this file, or in the user's cache folder): later processes load them in a fraction of a second. Where no folder can be
written to, each process compiles for itself.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import boolean, float64, int64, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_MATRIX = types.Array(float64, 2, "C", readonly=True)
_VECTOR = types.Array(float64, 1, "C", readonly=True)
_ORDER = types.Array(int64, 1, "C", readonly=True)
_FAST = {"contract", "reassoc", "nsz"}
"""Sums may be taken in the order that suits the processor; infinities and NaN stay what they are."""

_GATHERED = 256
"""Rows that are put together, to be worked on as one piece."""
_AHEAD = 32
"""Rows between the one that is worked on and the one that is fetched: memory answers many requests at a time."""


def _compiled(signature: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def compile_(function: Callable[..., Any]) -> Callable[..., Any]:
        options: dict[str, Any] = {"nogil": True, "fastmath": _FAST, "error_model": "numpy"}
        try:
            return njit(signature, cache=True, **options)(function)
        except RuntimeError:  # there is no folder for the cache
            return njit(signature, **options)(function)

    return compile_


@njit(nogil=True, fastmath=_FAST)
def _loss_and_slope(residual, delta):
    if delta == 0.0:
        return residual * residual, 2.0 * residual
    if abs(residual) <= delta:
        return 0.5 * residual * residual, residual
    return delta * (abs(residual) - 0.5 * delta), delta if residual > 0 else -delta


@intrinsic
def _prefetch(_typing, address):
    """Let the processor fetch the 64 bytes at an address while it goes on."""

    def generate(_context, builder, _signature, arguments):
        pointer, word = ir.PointerType(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        line = builder.inttoptr(arguments[0], pointer)
        builder.call(function, [line, word(0), word(3), word(1)])  # to be read, and soon; as data

    return types.void(address), generate


@njit(nogil=True, fastmath=_FAST)
def _fetch(x, targets, row):
    """Have a row on its way when its step comes: in a shuffled order each waits longer for memory than it computes."""
    width = 8 * x.shape[1]
    for start in range(0, width, 64):
        _prefetch(x.ctypes.data + row * width + start)  # type: ignore[call-arg]
    _prefetch(x.ctypes.data + row * width + width - 1)  # type: ignore[call-arg]  # a row may begin within a line
    _prefetch(targets.ctypes.data + 8 * row)


@njit(nogil=True, fastmath=_FAST, error_model="numpy")
def _descend_singly(x, targets, order, rates, delta, l2, offset, largest, decay, theta, sums):
    """Steps of one row each, without momentum: all of a step in two passes over its numbers."""
    features, learned, losses = x.shape[1], len(theta), 0.0
    for i in range(len(order)):
        if i + _AHEAD < len(order):
            _fetch(x, targets, order[i + _AHEAD])
        row, residual, penalty = x[order[i]], -targets[order[i]], offset
        for d in range(features):
            residual += row[d] * theta[d]
        if learned > features:
            residual += theta[features]
        if l2 != 0.0:
            for d in range(features):
                penalty += l2 * theta[d] * theta[d]
        loss, slope = _loss_and_slope(residual, delta)
        if not loss + penalty < largest:
            return i, losses
        rate = rates[i] if len(rates) > 1 else rates[0]
        losses += loss + penalty
        if l2 == 0.0 and decay == 0.0:
            for d in range(features):
                sums[d] += slope * row[d]
                theta[d] -= rate * slope * row[d]
        else:
            for d in range(features):
                gradient = slope * row[d] + 2.0 * l2 * theta[d]
                sums[d] += gradient
                theta[d] -= rate * (gradient + decay * theta[d])
        if learned > features:
            sums[features] += slope
            theta[features] -= rate * (slope + decay * theta[features])
    return len(order), losses


@_compiled(
    types.Tuple((int64, float64))(
        *(_MATRIX, _VECTOR, _ORDER, int64, _VECTOR, float64, float64, float64, float64, float64),
        *(float64, float64, boolean, boolean, float64[::1], float64[::1], float64[::1]),
    )
)
def descend(
    x,  # N × D
    targets,  # N
    order,  # of the rows
    batch,  # rows of a step; the last one may have fewer
    rates,  # of each step, or one of all
    delta,  # of Huber's loss; 0 for squares
    l2,
    offset,  # what a frozen parameter adds to every loss
    largest,
    decay,
    momentum,
    share,  # of the gradient in the velocity: 1 − dampening
    nesterov,
    moved,  # whether there is a velocity yet
    theta,  # D weights and the bias, which are moved
    velocity,  # as theta, moved as well
    sums,  # as theta; grows by the gradient of every step
) -> tuple[int, float]:
    """Steps of gradient descent over rows in an order: how many were taken, and the sum of their losses.

    It ends before the first step whose loss, times its rows, is not below `largest`.
    """
    if batch == 1 and momentum == 0.0:
        return _descend_singly(x, targets, order, rates, delta, l2, offset, largest, decay, theta, sums)
    features, learned = x.shape[1], len(theta)
    together = max(1, _GATHERED // batch) * batch
    rows, aims = np.ones((together, learned)), np.empty(together)
    gradient, losses, steps = np.empty(learned), 0.0, 0
    for start in range(0, len(order), together):
        fetched = min(together, len(order) - start)
        for i in range(fetched):
            row, source, later = rows[i], x[order[start + i]], start + i + together
            if later < len(order):
                _fetch(x, targets, order[later])
            for d in range(features):
                row[d] = source[d]
            aims[i] = targets[order[start + i]]
        for first in range(0, fetched, batch):
            count = min(batch, fetched - first)
            gradient[:] = 0.0
            loss = 0.0
            for i in range(first, first + count):
                row, residual = rows[i], -aims[i]
                for d in range(learned):
                    residual += row[d] * theta[d]
                row_loss, slope = _loss_and_slope(residual, delta)
                loss += row_loss
                for d in range(learned):
                    gradient[d] += slope * row[d]
            penalty = offset
            if l2 != 0.0:
                for d in range(features):
                    penalty += l2 * theta[d] * theta[d]
            if not loss + penalty * count < largest:
                return steps, losses
            losses += loss / count + penalty
            rate, scale = rates[steps if len(rates) > 1 else 0], 1.0 / count
            for d in range(learned):
                gradient[d] *= scale
                if d < features:
                    gradient[d] += 2.0 * l2 * theta[d]
                sums[d] += gradient[d]
                direction = gradient[d] + decay * theta[d]
                if momentum != 0.0:
                    velocity[d] = momentum * velocity[d] + share * direction if moved else direction
                    direction = direction + momentum * velocity[d] if nesterov else velocity[d]
                theta[d] -= rate * direction
            moved = True
            steps += 1
    return steps, losses


@njit(nogil=True, fastmath=_FAST, inline="never")
def _follow(row, target, map_, residual) -> None:
    for c in range(len(row)):
        residual[c] = row[c]
    residual[len(row)] = -target
    for d in range(len(row)):
        moves, share = map_[d], row[d]
        for c in range(len(residual)):
            residual[c] += share * moves[c]


@njit(nogil=True, fastmath=_FAST, inline="never")
def _move(row, step, map_, residual) -> None:
    for d in range(len(row)):
        moves, share = map_[d], step * row[d]
        for c in range(len(residual)):
            moves[c] += share * residual[c]


@_compiled(types.void(_MATRIX, _VECTOR, int64, float64, float64[:, ::1], float64[:, ::1]))
def compose(rows, targets, batch, rate, map_, residuals) -> None:
    """Follow steps of gradient descent on squared errors from all starting points together.

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
