"""How well a model predicts rows: what is told of every job, without penalties, in the data's own space. NumPy alone.

Whether the columns are standardized makes no difference: predictions and targets are shifted alike.
"""

import math
from collections.abc import Iterator

import numpy as np

from slope.answers.metrics import Metrics
from slope.arrays import Array
from slope.reduced_rows import ReducedRows

WITHOUT_ROWS = "Mean absolute errors need the rows; this job trained on what stands for them."

_CHUNK_ROWS = 2**16


def metrics_of_rows(
    x: Array | None, y: Array | None, weights: Array, bias: float | None, shares: Array | None = None
) -> Metrics | None:
    """Of x (N × D) and y (N) as they are trained on; `shares` weigh the rows, with a mean of 1. None of no rows."""
    if x is None or y is None or len(y) == 0 or (shares is not None and not shares.any()):
        return None
    with np.errstate(all="ignore"):
        squares = absolutes = 0.0
        for chosen, residuals in _residuals(x, y, weights, bias):
            weighted = residuals if shares is None else shares[chosen] * residuals
            squares, absolutes = squares + float(weighted @ residuals), absolutes + float(np.abs(weighted).sum())
    return _metrics(len(y), squares, _spread(y, shares), absolutes / len(y))


def metrics_of_reduced(rows: ReducedRows, weights: Array, bias: float | None) -> Metrics | None:
    """Of rows that others stand for. None of no rows."""
    if rows.rows == 0:
        return None
    with np.errstate(all="ignore"):
        _, deviation = rows.target_moments
        return _metrics(rows.rows, rows.squared_error(weights, bias or 0.0), rows.rows * deviation**2, None)


def _spread(y: Array, shares: Array | None) -> float:
    """Σ(y − ȳ)², 0 of a constant."""
    counted = y if shares is None else y[shares > 0]
    if counted.min() == counted.max():
        return 0.0
    with np.errstate(all="ignore"):
        apart = np.square(y - np.average(y, weights=shares))
        return float(apart.sum() if shares is None else shares @ apart)


def mean_huber_loss(
    x: Array, y: Array, weights: Array, bias: float | None, delta: float, shares: Array | None = None
) -> float | None:
    """As the job has it: half the square up to delta, and from there a line."""
    with np.errstate(all="ignore"):
        total = 0.0
        for chosen, residuals in _residuals(x, y, weights, bias):
            sizes = np.abs(residuals)
            losses = np.where(sizes <= delta, sizes**2 / 2, delta * (sizes - delta / 2))
            total += float(losses.sum() if shares is None else shares[chosen] @ losses)
    return _finite(total / len(y))


def _metrics(rows: int, squares: float, spread: float, absolute: float | None) -> Metrics:
    mean = squares / rows
    explained = _finite(1 - squares / spread) if spread > 0 else None
    return Metrics(
        rows, _finite(mean), _finite(math.sqrt(mean)), None if absolute is None else _finite(absolute), explained
    )


def _residuals(x: Array, y: Array, weights: Array, bias: float | None) -> Iterator[tuple[slice, Array]]:
    for start in range(0, len(y), _CHUNK_ROWS):
        chosen = slice(start, start + _CHUNK_ROWS)
        yield chosen, x[chosen] @ weights + (bias or 0.0) - y[chosen]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
