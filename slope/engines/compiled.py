"""SGD without step records, in order or shuffled, in a compiled loop: tens of nanoseconds a row.

The loop carries the gradients' sum along; the gradient of each epoch's last step, and of every step that is replayed,
is autograd's, at the parameters that the loop came to.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from types import ModuleType

import numpy as np
import torch

from slope.data import Array, Indices
from slope.engines import loading
from slope.engines.descent import Descent, Sums
from slope.records import Diverged, StepRecord

_CHUNK_ROWS = 2**18
"""Rows between two questions whether to stop: some hundredths of a second."""


class Compiled(Descent):
    """Any mini-batches of squared errors or Huber's loss, with momentum and l2."""

    @cached_property
    def _kernels(self) -> ModuleType:
        return loading.kernels(self._pause)

    def _follow_epoch(self) -> tuple[Sums, Sequence[StepRecord]]:
        order, theta, sums = self._order(), self._theta(), np.zeros(self._design.parameters)
        last = (self._steps - 1) * self._size
        loss = self._descend_to(theta, order[:last], sums)
        last_loss, last_gradient = self._step(theta, order[last:])
        loss += self._descend(theta, order[last:], self._steps - 1, sums)
        self._place(theta)
        return Sums(self._steps, loss, sums, last_loss, last_gradient), []

    def replayed(self, steps: range) -> Iterator[StepRecord]:
        order, theta, sums = self._order(), self._theta(), np.zeros(self._design.parameters)
        try:
            self._descend_to(theta, order[: steps.start * self._size], sums)
            for step in range(steps.start, min(steps.stop, self._steps)):
                self._pause()
                rows = order[step * self._size : (step + 1) * self._size]
                loss, gradient = self._step(theta, rows)
                parameters = self._model.parameters()
                self._descend(theta, rows, step, sums)
                yield StepRecord(self.epoch, step, loss, gradient, parameters)
        except Diverged:
            return

    def _descend_to(self, theta: Array, order: Indices, sums: Array) -> float:
        """Move θ over the first rows of an epoch, and ask now and then whether to stop. Raises Diverged."""
        chunk, loss = max(1, _CHUNK_ROWS // self._size) * self._size, 0.0
        for start in range(0, len(order), chunk):
            self._pause()
            loss += self._descend(theta, order[start : start + chunk], start // self._size, sums)
        return loss

    def _descend(self, theta: Array, order: Indices, step: int, sums: Array) -> float:
        """Move θ over rows in an order, of which the first begins a step; the sum of the losses. Raises Diverged."""
        velocity, steps = self._velocity(), range(step, step - (-len(order) // self._size))
        taken, loss = self._kernels.descend(
            self._design.x,
            self._design.targets,
            order,
            self._size,
            self._step_rates(steps),
            self.spec.huber_delta if self.spec.loss == "huber" else 0.0,
            self.spec.l2,
            self._design.offset,
            self._largest,
            self._sgd.weight_decay,
            self._sgd.momentum,
            1 - self._sgd.dampening,
            self._sgd.nesterov,
            velocity is not None,
            theta,
            moving := np.zeros_like(theta) if velocity is None else velocity,
            sums,
        )
        if taken < len(steps):
            raise Diverged(self.epoch, step + taken, [])
        if taken and self._sgd.momentum:
            self._keep_velocity(moving)
        return float(loss)

    def _velocity(self) -> Array | None:
        """What torch.optim.SGD keeps of the gradients so far; None before the first step."""
        buffers = [self._optimizer.state[leaf].get("momentum_buffer") for leaf in self._model.learnable]
        if any(buffer is None for buffer in buffers):
            return None
        return np.concatenate([buffer.numpy().reshape(-1) for buffer in buffers])

    def _keep_velocity(self, velocity: Array) -> None:
        values, start = torch.from_numpy(velocity), 0
        for leaf in self._model.learnable:
            buffer = values[start : start + leaf.numel()].reshape(leaf.shape).clone()
            self._optimizer.state[leaf]["momentum_buffer"] = buffer
            start += leaf.numel()
