"""SGD in a fixed order without step records: an epoch is an affine map of the parameters, composed once.

Each step moves θ to θ − (2η/m)·Zᵀ(Zθ − t), an affine function, and so does a whole epoch: θ′ = θ + M·(θ, 1). Each
residual of the epoch is an affine function of where it started as well; their squares add up to ‖T·(θ, −1)‖², T being
the triangle of all of them. With both at hand an epoch costs K² for its parameters, losses and gradients.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from slope.arrays import Array
from slope.engines.compiled import Compiled
from slope.engines.descent import loading
from slope.engines.descent.reach import largest_number
from slope.engines.descent.records import Block
from slope.engines.layouts.columns import EpochNumbers, StepNumbers
from slope.engines.reduction.reduction import CHUNK_ROWS, FIRST_ROWS, join

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

    def _block_length(self, end: int) -> int:
        """No more epochs than have one learning rate, and so one map."""
        rates = self._rates_of(super()._block_length(end))[:, 0]
        return int(np.append(rates != rates[0], True).argmax())

    def follow(self, epochs: int) -> Block:
        with np.errstate(over="ignore", invalid="ignore"):
            return self._follow_map(epochs) or super().follow(epochs)

    def _follow_map(self, epochs: int) -> Block | None:
        """None where a number along the way is not finite, or may not have been."""
        state, rates = self._state, self._rates_of(epochs)
        rate = float(rates[0, 0])
        if (map_ := self._map_at(rate)) is None:
            return None
        theta = state.theta.copy()
        before, moved, before_last = (np.empty((epochs, len(theta))) for _ in range(3))
        losses, follow = np.empty(epochs), loading.composition().follow
        follow(map_.moves, map_.moves_before_last, map_.triangle, theta, before, moved, before_last, losses)
        sound = (losses * self._size).max() < largest_number(self.spec)
        if not (sound and np.isfinite(moved).all() and np.isfinite(before_last).all()):
            return None
        last_losses, last_gradients = self._evaluate(self._design, before_last, int(self._last_rows[0]))
        mean = -moved / (rate * self._steps)
        found = EpochNumbers(
            loss=losses / self._steps,
            gradient_mean=mean,
            gradient_norm=np.linalg.norm(mean, axis=1),
            theta=before + moved,
            before=before_last,
            fresh=last_gradients,
            gradient_last=last_gradients,
            last_loss=last_losses,
        )
        state.theta, state.gradient, state.steps = theta, last_gradients[-1], state.steps + epochs * self._steps
        nothing = StepNumbers.room(0, len(theta))
        return Block(self._orders(epochs), found, nothing, rates, self._validate(found.theta), epochs, 0)

    def _map_at(self, rate: float) -> Map | None:
        if self._map is None or self._map[0] != rate:
            self._map = rate, self._composed(rate) if rate else None
        return self._map[1]

    def _composed(self, rate: float) -> Map | None:
        """None where the steps grow beyond what a double holds."""
        learned, last = self._design.parameters, (self._steps - 1) * self._size
        moves, before_last = np.zeros((learned, learned + 1)), np.zeros((learned, learned + 1))
        triangle = torch.zeros(learned + 1, learned + 1, dtype=torch.float64)
        with ThreadPoolExecutor(1) as thread:  # joins the residuals of a chunk while the next is followed
            joined = thread.submit(lambda: triangle)
            for chunk in self._chunks(last):
                if chunk.start == last:
                    before_last = moves.copy()
                residuals = self._follow_rows(chunk, rate, moves)
                if not np.isfinite(residuals.sum()) or not np.isfinite(moves).all():
                    return None
                residuals[:, -1] *= -1
                joined = thread.submit(join, joined.result(), torch.from_numpy(residuals), self._pause)
            triangle = joined.result()
        return Map(moves, before_last, np.ascontiguousarray(triangle.numpy()))

    def _follow_rows(self, chunk: slice, rate: float, moves: Array) -> Array:
        """Of some rows the residuals before their steps, by where the epoch began; `moves` goes on."""
        compose, rows = loading.composition().compose, self._design.with_ones(chunk)
        residuals, targets = np.empty((len(rows), moves.shape[1])), self._design.targets[chunk]
        for part in self._parts(len(rows)):
            self._pause()
            compose(rows[part], targets[part], self._size, rate, moves, residuals[part])
        return residuals

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
