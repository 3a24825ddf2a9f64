"""SGD in a fixed order without step records: an epoch is an affine map of the parameters, composed once.

Each step moves θ to θ − (2η/m)·Zᵀ(Zθ − t), an affine function, and so does a whole epoch: θ′ = θ + M·(θ, 1). Each
residual of the epoch is an affine function of where it started as well; their squares add up to ‖T·(θ, −1)‖², T being
the triangle of all of them. With both at hand an epoch costs K² for its parameters, losses and gradients.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from slope.data import Array
from slope.engines.compiled import Compiled
from slope.engines.descent import Sums
from slope.engines.reduction import CHUNK_ROWS, FIRST_ROWS, join
from slope.records import StepRecord

_PART = 2**28
"""This many multiplications, some tenths of a second, are made between two questions whether to stop."""


@dataclass(frozen=True)
class Map:
    """An epoch at one learning rate, as functions of (θ, 1): K × (K + 1), and K + 1 square for the losses."""

    moves: Array
    """θ′ − θ."""
    moves_before_last: Array
    """The same before the last step."""
    triangle: Array
    """Its squared product with (θ, −1) is the sum of all steps' losses."""


class Composed(Compiled):
    """Follows an epoch by its map, and row by row where the map does not hold: when numbers overflow."""

    _map: tuple[float, Map | None] | None = None
    """The learning rate for which it was composed, and the map, if there is one."""

    def _follow_epoch(self) -> tuple[Sums, Sequence[StepRecord]]:
        if (sums := self._follow_map()) is not None:
            return sums, []
        return super()._follow_epoch()

    def _follow_map(self) -> Sums | None:
        """None where a number along the way is not finite, or may not have been."""
        rate, theta = self.learning_rate, self._theta()
        if (map_ := self._map_at(rate)) is None:
            return None
        start = np.append(theta, 1.0)
        moved, before_last = map_.moves @ start, theta + map_.moves_before_last @ start
        loss = float(np.square(map_.triangle @ np.append(theta, -1.0)).sum())
        if not (loss * self._size < self._largest and np.isfinite(moved).all() and np.isfinite(before_last).all()):
            return None
        last_loss, last_gradient = self._differentiated(before_last, *self._last_batch)
        self._place(theta + moved)
        return Sums(self._steps, loss, -moved / rate, last_loss, last_gradient)

    @cached_property
    def _last_batch(self) -> tuple[Tensor, Tensor]:
        last = slice((self._steps - 1) * self._size, None)
        return torch.from_numpy(self._data.x[last].copy()), torch.from_numpy(self._data.y[last].copy())

    def _map_at(self, rate: float) -> Map | None:
        if self._map is None or self._map[0] != rate:
            self._map = rate, self._composed(rate) if rate else None
        return self._map[1]

    def _composed(self, rate: float) -> Map | None:
        """None where the steps grow beyond what a double holds."""
        learned, last = self._design.parameters, (self._steps - 1) * self._size
        moves, before_last = np.zeros((learned, learned + 1)), np.zeros((learned, learned + 1))
        triangle = torch.zeros(learned + 1, learned + 1, dtype=torch.float64)
        for chunk in self._chunks(last):
            if chunk.start == last:
                before_last = moves.copy()
            rows = self._design.rows(chunk)
            residuals, targets = np.empty((len(rows), learned + 1)), self._design.targets[chunk]
            for part in self._parts(len(rows)):
                self._pause()
                self._kernels.compose(rows[part], targets[part], self._size, rate, moves, residuals[part])
            if not np.isfinite(residuals).all() or not np.isfinite(moves).all():
                return None
            residuals[:, -1] *= -1
            triangle = join(triangle, torch.from_numpy(residuals), self._pause)
        return Map(moves, before_last, triangle.numpy())

    def _parts(self, count: int) -> Iterator[slice]:
        """Slices of `count` rows, each of as many whole steps as do not take long."""
        size = max(1, _PART // self._design.parameters**2 // self._size) * self._size
        return (slice(start, start + size) for start in range(0, count, size))

    def _chunks(self, last: int) -> Iterator[slice]:
        """Whole steps: a few at first, then many at a time, and the last one alone."""
        start, rows = 0, FIRST_ROWS
        while start < last:
            stop = min(start + max(1, rows // self._size) * self._size, last)
            yield slice(start, stop)
            start, rows = stop, CHUNK_ROWS
        yield slice(last, len(self._design.targets))
