"""SGD with every step at hand: blocks of steps by one triangular solve, their gradients by one call of autograd.

Within a block that starts at θ₀ the residuals r, each taken before its step, solve (I + (2η/m)·L)·r = Zθ₀ − t, where L
is ZZᵀ below the diagonal blocks of the steps. The right-hand side is linear in (θ₀, 1): so all blocks of an epoch are
solved together, for every starting point, and only then followed one after another. Weights that decay by a factor p in
every step are followed as p⁻ᵏ·θₖ, which makes Z a matrix pᵏ·Z on the left and p⁻ᵏ⁻¹·Z on the right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from slope.columns import StepColumns, join_columns
from slope.data import Array, Indices
from slope.engines.descent import Descent, Sums
from slope.records import Diverged, StepRecord, StepTable

BLOCK_ROWS = 32
"""Rows of a block, if its steps have no more: the solve costs that many multiplications for each number of x."""
GROUP_ROWS = 2**14
"""Rows that are solved and followed at a time, of narrow data."""
_GROUP_WORK = 2**28
"""Rows × the parameters' square, of wide data: some tenths of a second."""


@dataclass(frozen=True)
class Stretch:
    """Steps of an epoch that are followed together: blocks of `steps` steps of `rows` rows each."""

    start: int
    """In rows."""
    blocks: int
    steps: int
    rows: int

    @property
    def stop(self) -> int:
        return self.start + self.blocks * self.steps * self.rows


@dataclass(frozen=True)
class Followed:
    """S steps one after another: their losses, their gradients (S × K), and θ before each (S × K); θ after the last."""

    losses: Array
    gradients: Array
    thetas: Array
    end: Array


class Blocked(Descent):
    """Mini-batches of squared errors without momentum, in any order that is known before the epoch."""

    def _follow_epoch(self) -> tuple[Sums, Sequence[StepRecord]]:
        keeps, kept = self._keeps_steps(self.epoch), list[StepColumns]()
        loss, gradient, step, last = 0.0, np.zeros(self._design.parameters), 0, None
        try:
            for last in self._stretches():
                loss, gradient = loss + float(last.losses.sum()), gradient + last.gradients.sum(axis=0)
                if keeps:
                    kept.append(self._columns(step, last))
                step += len(last.losses)
        except Diverged as error:
            raise Diverged(error.epoch, error.step, _table(kept)) from error
        assert last is not None  # an epoch has a step
        sums = Sums(step, loss, gradient, float(last.losses[-1]), self._as_gradient(last.gradients[-1]))
        return sums, _table(kept)

    def replayed(self, steps: range) -> Iterator[StepRecord]:
        step = 0
        try:
            for followed in self._stretches():
                if step + len(followed.losses) > steps.start:
                    table = StepTable(self._columns(step, followed))
                    yield from (record for record in table if record.step in steps)
                step += len(followed.losses)
                if step >= steps.stop:
                    return
        except Diverged:
            return

    def _stretches(self) -> Iterator[Followed]:
        """Follow the epoch. Raises Diverged after all that is finite."""
        order, theta, step = self._order(), self._theta(), 0
        with np.errstate(over="ignore", invalid="ignore"):
            for stretch in self._plan():
                self._pause()
                for followed in self._follow(stretch, order[stretch.start : stretch.stop], theta, step):
                    yield followed
                    theta, step = followed.end, step + len(followed.losses)
        self._place(theta)

    def _plan(self) -> Iterator[Stretch]:
        """Whole blocks, many at a time; then the steps that are left; then the short last step."""
        count, size = len(self._data.y), self._size
        steps, start = max(1, BLOCK_ROWS // size), 0
        most = min(GROUP_ROWS, _GROUP_WORK // self._design.parameters**2)
        for blocks, in_block, rows in (
            (count // (steps * size), steps, size),
            (1, count // size % steps, size),
            (1, 1, count % size),
        ):
            together = max(1, most // max(1, in_block * rows))
            for first in range(0, blocks if in_block * rows else 0, together):
                stretch = Stretch(start, min(together, blocks - first), in_block, rows)
                yield stretch
                start = stretch.stop

    def _follow(self, stretch: Stretch, order: Indices, theta: Array, step: int) -> Iterator[Followed]:
        """A stretch as a whole, and step by step from its first block with a number that is not finite."""
        shape = (stretch.blocks, stretch.steps * stretch.rows)
        x = self._on_device(self._design.rows(order)).reshape(*shape, -1)
        targets = self._on_device(self._design.targets[order]).reshape(shape)
        thetas, starts = self._trajectory(stretch, x, targets, theta)
        followed = self._autograd(stretch, x, targets, thetas, starts[-1])
        sound = self._sound_steps(followed, stretch)
        if sound == len(followed.losses):
            yield followed
            return
        block = sound // stretch.steps
        if block:
            yield _part(followed, block * stretch.steps, starts[block])
        single = Stretch(0, 1, 1, stretch.rows)
        x, targets = x.reshape(-1, stretch.rows, x.shape[-1]), targets.reshape(-1, stretch.rows)
        theta = starts[block]
        for row in range(block * stretch.steps, len(x)):
            thetas, starts = self._trajectory(single, x[[row]], targets[[row]], theta)
            followed = self._autograd(single, x[[row]], targets[[row]], thetas, starts[-1])
            if self._sound_steps(followed, single) == 0:
                raise Diverged(self.epoch, step + row, [])
            yield followed
            theta = followed.end

    def _trajectory(self, stretch: Stretch, x: Tensor, targets: Tensor, theta: Array) -> tuple[Tensor, Array]:
        """θ before every step (blocks · steps × K), and before every block and after the last (blocks + 1 × K).

        x is blocks × rows × K, targets blocks × rows.
        """
        scale, (left, right, powers) = 2 * self.learning_rate / stretch.rows, self._decaying(stretch, x)
        system = (left @ right.mT).mul_(_below(stretch, x.device) * scale)
        aims = torch.cat([left, -targets[..., None]], dim=-1)
        residuals = torch.linalg.solve_triangular(system, aims, upper=False, unitriangular=True)
        maps = -scale * powers[-1][:, None] * (right.mT @ residuals)
        maps.diagonal(dim1=-2, dim2=-1).add_(powers[-1] - 1)
        starts = _scan(maps.cpu().numpy(), theta)
        before = self._on_device(starts[:-1])
        taken = (residuals @ torch.cat([before, torch.ones_like(before[:, :1])], dim=1)[..., None]) * scale * right
        moves = taken.reshape(stretch.blocks, stretch.steps, stretch.rows, -1).sum(dim=2)
        thetas = powers[:-1] * (before[:, None] - (moves.cumsum(dim=1) - moves))
        return thetas.reshape(-1, thetas.shape[-1]), starts

    def _decaying(self, stretch: Stretch, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x as it stands left and right in the system, and the powers of each parameter's decay: steps + 1 × K."""
        decay = np.full(self._design.parameters, self._sgd.weight_decay)
        decay[: self._design.x.shape[1]] += 2 * self.spec.l2
        counts = torch.arange(stretch.steps + 1, dtype=x.dtype, device=x.device)
        powers = self._on_device(1 - self.learning_rate * decay) ** counts[:, None]
        if not decay.any():
            return x, x, powers
        left, right = (part.repeat_interleave(stretch.rows, dim=0) for part in (powers[:-1], 1 / powers[1:]))
        return x * left, x * right, powers

    def _autograd(self, stretch: Stretch, x: Tensor, targets: Tensor, thetas: Tensor, end: Array) -> Followed:
        """Autograd's losses and gradients of every step, each at its own parameters."""
        learnable, features = thetas.detach().requires_grad_(), self._design.x.shape[1]
        rows, aims = x.reshape(len(thetas), stretch.rows, -1), targets.reshape(len(thetas), stretch.rows)
        residuals = (rows @ learnable[..., None])[..., 0] - aims
        losses = residuals.square().mean(dim=1) + self._design.offset
        if self.spec.l2:
            losses = losses + self.spec.l2 * learnable[:, :features].square().sum(dim=1)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        assert learnable.grad is not None  # it has just been back-propagated
        found = (losses.detach(), learnable.grad, learnable.detach())
        losses_found, gradients, before = (tensor.cpu().numpy() for tensor in found)
        return Followed(losses_found, gradients, before, end)

    def _sound_steps(self, followed: Followed, stretch: Stretch) -> int:
        """How many steps come before the first with a number that is not finite."""
        sound = followed.losses * stretch.rows < self._largest
        sound &= np.isfinite(followed.gradients).all(axis=1) & np.isfinite(followed.thetas).all(axis=1)
        return len(sound) if sound.all() else int(sound.argmin())

    def _columns(self, step: int, followed: Followed) -> StepColumns:
        count, features = len(followed.losses), self._design.x.shape[1]
        weights, bias = self._model.parameters()
        learns_weights, learns_bias = "weights" not in self.spec.frozen, self._design.learns_bias
        return StepColumns(
            epoch=np.full(count, self.epoch),
            step=np.arange(step, step + count),
            loss=followed.losses,
            gradient_weights=followed.gradients[:, :features] if learns_weights else None,
            gradient_bias=followed.gradients[:, -1] if learns_bias else None,
            weights=followed.thetas[:, :features] if learns_weights else np.tile(np.array(weights), (count, 1)),
            bias=followed.thetas[:, -1] if learns_bias else None if bias is None else np.full(count, bias),
        )

    def _on_device(self, values: Array) -> Tensor:
        return torch.from_numpy(values).to(self._model.weights.device)


def _scan(maps: Array, theta: Array) -> Array:
    """θ before every block and after the last: each block moves it by its map (K × K + 1) of (θ, 1)."""
    starts = np.empty((len(maps) + 1, len(theta)))
    current = np.append(theta, 1.0)
    for block, map_ in enumerate(maps):
        starts[block] = current[:-1]
        current[:-1] += map_ @ current
    starts[-1] = current[:-1]
    return starts


def _below(stretch: Stretch, device: torch.device) -> Tensor:
    """1 where the row's step comes after the column's."""
    steps = torch.arange(stretch.steps, device=device).repeat_interleave(stretch.rows)
    return (steps[:, None] > steps).double()


def _part(followed: Followed, steps: int, end: Array) -> Followed:
    """The first `steps` steps."""
    return Followed(followed.losses[:steps], followed.gradients[:steps], followed.thetas[:steps], end)


def _table(kept: list[StepColumns]) -> Sequence[StepRecord]:
    return StepTable(join_columns(kept)) if kept else []
