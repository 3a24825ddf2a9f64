"""The course of full-batch descent from where a run ended, known in advance from the spectrum of its Hessian."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from slope.arrays import Array

NEAR = 0.01
"""Within this many standard errors a coefficient is as good as exact: no rows could tell the difference."""

_EVERY, _STEP = 64, 1.02
"""The course is looked at in each of the first epochs, and then in steps of 2 %."""
_MOST_EPOCHS = 2**53
_NOTHING = -1e4
"""A logarithm whose exponential is 0."""


def epochs_until_near(shares: Array, steps: Array) -> int | None:
    """The least t from which on |Σᵢ sharesⱼᵢ·(1 − stepsᵢ)ᵗ| ≤ NEAR for every j. None where descent does not get there.

    The sum of magnitudes falls from epoch to epoch, and bounds t from above. Below, the course may cross NEAR more than
    once: the last crossing is looked for on a grid, and found by bisection.
    """
    if not (np.isfinite(steps).all() and (steps < 2).all()):
        return None
    with np.errstate(divide="ignore"):
        logarithms = np.where(steps < 1, np.log1p(-np.minimum(steps, 1.0)), np.log(np.abs(1 - steps)))
    logarithms = np.maximum(logarithms, _NOTHING)
    highest = _bound(np.abs(shares), logarithms)
    if highest is None:
        return None

    def offset(epochs: Array) -> Array:
        signs = np.where(steps > 1, 1 - 2 * (epochs % 2), 1.0)
        return np.asarray(np.abs((signs * np.exp(logarithms * epochs)) @ shares.T).max(axis=1))

    def is_far(epochs: Array) -> NDArray[np.bool_]:
        """Of each (n × 1) whether it is in it or in the next: beyond a step of 1, epochs take turns."""
        return np.maximum(offset(epochs), offset(epochs + 1)) > NEAR

    grid = _grid(highest)
    far = np.flatnonzero(is_far(grid[:, None]))
    return _between(int(grid[far[-1]]), int(grid[far[-1] + 1]), is_far) if len(far) else 0


def _bound(sizes: Array, logarithms: Array) -> int | None:
    """A power of two from which on even the magnitudes add up to NEAR at most."""
    highest = 1
    while (sizes @ np.exp(logarithms * highest)).max() > NEAR:
        highest *= 2
        if highest > _MOST_EPOCHS:
            return None
    return highest


def _grid(highest: int) -> Array:
    """From 0 up to `highest`."""
    count = 2 + max(0, int(np.log(highest / _EVERY) / np.log(_STEP)))
    later = np.floor(np.geomspace(_EVERY, max(highest, _EVERY), count))
    return np.unique(np.concatenate([np.arange(_EVERY), later]))


def _between(far: int, near: int, is_far: Callable[[Array], NDArray[np.bool_]]) -> int:
    while near - far > 1:
        middle = (far + near) // 2
        if is_far(np.array([[float(middle)]])).all():
            far = middle
        else:
            near = middle
    return near
