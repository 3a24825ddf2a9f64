"""Descent in compiled code: some epochs at a time, tens of nanoseconds a row.

The kernels take the steps one after another, as the textbook does, and write down what they find. Autograd looks over
their shoulder: it is given points that they came through, all of a short run and an even sample of a long one, and a
gradient that differs from its own ends the run.
"""

import io
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np
import torch

from slope.arrays import Array, Indices
from slope.data import batch_rows, epoch_order, steps_per_epoch
from slope.engines.descent import loading, points
from slope.engines.descent.design import Design
from slope.engines.descent.rates import learning_rates
from slope.engines.descent.reach import largest_number
from slope.engines.descent.records import Block, State, epoch_table, step_columns
from slope.engines.layouts.columns import EpochNumbers, StepNumbers
from slope.engines.layouts.rules import Limits, Update
from slope.model import Parameters
from slope.records import Diverged, EpochRecord, StepRecord, StepTable
from slope.run import Interrupted, Run
from slope.spec import TrainingSpec

_BLOCK_SECONDS = 0.05
"""The epochs of a block take about this long."""
_GROWTH = 16
"""At most this many times as many epochs as in a block are in the next, for what so few take says little."""
_FIRST_ROWS = 2**13
"""Rows that the epochs of the first block go through, unless one epoch has more: some tenths of a millisecond."""
_BLOCK_NUMBERS = 2**20
"""Most numbers that the records of a block have, or the order of its rows, unless one epoch has more."""
_REPLAYED_STEPS = 2**12
"""Steps that are replayed together."""
_RATES = 1024
"""This many learning rates are a part: they are computed in whole parts."""
_CHUNK_ROWS = 2**18
"""Rows between two questions whether to stop: some hundredths of a second."""


class Descent(Run):
    """Any loss, update, schedule and penalty but those of lbfgs; in float64 on the CPU."""

    def __init__(self, rows: int, start: Parameters, spec: TrainingSpec, **options: Any) -> None:
        """`rows` are those of an epoch, as they are or as what stands for them."""
        super().__init__(spec, **options)
        self._start = start
        self._rows, self._size, self._steps = rows, batch_rows(rows, spec), steps_per_epoch(rows, spec)
        self._rates = learning_rates([spec], self._steps)
        self._length = max(1, _FIRST_ROWS // rows)
        """Epochs that take as long as a block should, or less."""
        self._kept_state: State | None = None
        self._next_check = 0
        """The epoch from which on the gradients of a very large batch are checked again."""

    @property
    @abstractmethod
    def _design(self) -> Design:
        """What it descends on. May take long at first, and raise Interrupted."""

    @property
    @abstractmethod
    def _validation(self) -> Design | None:
        """What it is validated on, without penalties. May take long at first, and raise Interrupted."""

    @property
    def _state(self) -> State:
        if self._kept_state is None:
            initial = getattr(self.spec.optimizer, "initial_accumulator_value", 0.0)
            self._kept_state = State.at(self._design.vector(self._design.start), initial)
        return self._kept_state

    @property
    def parameters(self) -> Parameters:
        if self._kept_state is None:
            return self._start
        weights, bias = self._design.models(self._state.theta[None])
        return Parameters(weights[0].tolist(), None if bias is None else float(bias[0]))

    def checkpoint(self) -> bytes:
        kept: dict[str, Any] = {"epoch": self._epoch, "patience": self._patience.state() if self._patience else None}
        if self._kept_state is not None:
            kept |= self._kept_state.document
        buffer = io.BytesIO()
        torch.save(kept, buffer)
        return buffer.getvalue()

    def restore(self, checkpoint: bytes) -> None:
        kept: dict[str, Any] = torch.load(io.BytesIO(checkpoint), weights_only=True)
        self._epoch = kept["epoch"]
        if "theta" in kept:
            self._kept_state = State.of(kept)
        elif "optimizer" in kept:
            self._kept_state = State.of_torch(kept, self.spec, kept.get("steps", self._epoch * self._steps))
        if self._patience and kept["patience"]:
            self._patience.restore(kept["patience"])

    def replayed(self, steps: range) -> Iterator[StepRecord]:
        position, orders = np.array([0, 0, self._state.steps]), self._orders(1)
        rates, end, epochs = self._rates_of(1), min(steps.stop, self._steps), self._room(1)
        nothing = StepNumbers.room(0, self._design.parameters)
        if not self._descend(orders, rates, position, min(steps.start, end), epochs, nothing):
            return
        for start in range(steps.start, end, _REPLAYED_STEPS):
            stop = min(start + _REPLAYED_STEPS, end)
            found = StepNumbers.room(stop - start, self._design.parameters)
            is_finite = self._descend(orders, rates, position, stop, epochs, found, first_kept=start)
            taken = stop - start if is_finite else int(position[1]) - start
            yield from StepTable(
                step_columns(found, self._design, self._epoch, self._steps, start).at(np.arange(taken))
            )
            if not is_finite:
                return

    def _train(self, end: int) -> Sequence[EpochRecord]:
        epochs, before, started = self._block_length(end), self._state.copy(), perf_counter()
        try:
            block = self.follow(epochs)
            while (sound := self._sound_epochs(block)) < epochs:
                self._kept_state = before.copy()
                if sound == 0:
                    raise self._diverged(block)
                epochs = sound
                block = self.follow(epochs)  # the same once more, so that the run stands where they end
            self._check(block)
        except Interrupted:
            self._kept_state = before
            raise
        seconds = perf_counter() - started
        self._length = max(1, min(_GROWTH * epochs, int(epochs * _BLOCK_SECONDS / seconds)))
        return epoch_table(block, self._design, self._epoch, seconds / epochs)

    def _block_length(self, end: int) -> int:
        """Epochs of the next block: alike in whether their steps are kept."""
        numbers = 3 * self._design.parameters + 8
        if self._keeps_steps:
            end = min(end, self._next_kept_epoch(end))
            if self._keeps_steps_of(self._epoch):
                numbers += self._steps * (2 * self._design.parameters + 1)
        if self.spec.shuffle and self._steps > 1:
            numbers += self._rows
        if self._rate_counts > 1:
            numbers += self._steps
        return min(self._length, end - self._epoch, max(1, _BLOCK_NUMBERS // numbers))

    def _next_kept_epoch(self, end: int) -> int:
        """Where a block has to end, for the steps of the next epoch are kept and those of this one are not, or not."""
        every = self.spec.record.every
        if every == 1:
            return end
        if self._keeps_steps_of(self._epoch):
            return self._epoch + 1
        return min((self._epoch // every + 1) * every, max(self._epoch + 1, self.spec.epochs - 1))

    def follow(self, epochs: int) -> Block:
        """Move the run through some epochs. Raises Interrupted."""
        state, parameters = self._state, self._design.parameters
        orders, position = self._orders(epochs), np.array([0, 0, state.steps])
        keeps = self._keeps_steps_of(self._epoch)
        found = self._room(epochs)
        found.before[0] = state.theta
        steps = StepNumbers.room(epochs * self._steps if keeps else 0, parameters)
        rates = self._rates_of(epochs)
        self._descend(orders, rates, position, epochs * self._steps, found, steps)
        finished, broken_step, state.steps = map(int, position)
        return Block(orders, found, steps, rates, self._validate(found.theta[:finished]), finished, broken_step)

    def _room(self, epochs: int) -> EpochNumbers:
        has_last = self._steps > 1 or self.spec.zero_gradients == "never"
        return EpochNumbers.room(epochs, self._design.parameters, has_last=has_last)

    def _validate(self, thetas: Array) -> Array | None:
        """The losses of the rows held back, if there are any."""
        return self._evaluate(self._validation, thetas)[0] if self._validation else None

    def _evaluate(self, design: Design, thetas: Array, start: int = 0) -> tuple[Array, Array]:
        """The losses (M) and gradients (M × K) of the rows from one on, at M points."""
        found = np.empty(len(thetas)), np.empty_like(thetas)
        loading.evaluation()(design.x, design.targets, start, design.objective, thetas, *found)
        return found

    def _descend(
        self,
        orders: Indices,
        rates: Array,
        position: Indices,
        end: int,
        epochs: EpochNumbers,
        steps: StepNumbers,
        first_kept: int = 0,
    ) -> bool:
        """Take steps up to one, counted from the first epoch's first: whether their losses are finite."""
        design, state = self._design, self._state
        objective, update = design.objective, Update.of(self.spec)
        descend = loading.descent(design.parameters, update.rule)
        limits = Limits.of(self.spec, largest_number(self.spec) / (design.rows or 1))
        chunk = max(1, _CHUNK_ROWS // self._size)
        while (left := end - (position[0] * self._steps + position[1])) > 0:
            is_finite = descend(
                design.x,
                design.targets,
                orders,
                self._size,
                objective,
                update,
                limits,
                rates,
                min(int(left), chunk),
                first_kept,
                position,
                state.theta,
                state.gradient,
                state.buffers,
                self._sums,
                epochs,
                steps,
            )
            if not is_finite:
                return False
            self._pause()
        return True

    @cached_property
    def _sums(self) -> Array:
        return np.zeros(self._design.parameters + 1)

    def _rates_of(self, epochs: int) -> Array:
        """The learning rates of this many epochs from here: epochs × 1, or × the steps of an epoch."""
        start, count = self._epoch * self._rate_counts, epochs * self._rate_counts
        first, last = start // _RATES, (start + count - 1) // _RATES + 1
        # Always of whole parts: where an array ends, a power may be rounded in another way.
        parts = np.broadcast_to(self._rates(np.arange(first * _RATES, last * _RATES)), (last - first) * _RATES)
        return np.array(parts)[start - first * _RATES :][:count].reshape(epochs, -1)

    @property
    def _rate_counts(self) -> int:
        """How often in an epoch the learning rate changes, if it does."""
        return self._steps if self.spec.schedule_counts_steps else 1

    def _orders(self, epochs: int) -> Indices:
        """The rows as the epochs from here visit them: epochs × N, or 0 × 0 where they keep their order."""
        if not self.spec.shuffle or self._steps == 1:
            return np.empty((0, 0), np.int64)
        order = [epoch_order(self._rows, self.spec, self._epoch + epoch) for epoch in range(epochs)]
        return np.array(order)

    def _sound_epochs(self, block: Block) -> int:
        """How many epochs come before the first that has a number that is not finite, or stand at an early stop."""
        count = block.finite_epochs(largest_number(self.spec))
        if self._patience is None:
            return count
        watched = block.epochs.loss if block.validation is None else block.validation
        return self._patience.epochs_left(watched[:count].tolist())

    def _diverged(self, block: Block) -> Diverged:
        """The end of the first epoch of a block."""
        step, taken = (self._steps - 1, self._steps) if block.finished else (block.broken_step, block.broken_step)
        if len(block.steps.loss) == 0:
            return Diverged(self._epoch, step, [])
        columns = step_columns(block.steps, self._design, self._epoch, self._steps).at(np.arange(taken))
        finite = (np.abs(block.steps.gradient[:taken]) < largest_number(self.spec)).all(axis=1)
        return Diverged(self._epoch, step, StepTable(columns.at(np.flatnonzero(finite))))

    def _check(self, block: Block) -> None:
        """Hold gradients of the block against autograd's, those of very large batches ever more rarely."""
        is_large = self._size * self._design.parameters > points.CHECKED_NUMBERS
        if is_large and self._epoch < self._next_check:
            return
        self._next_check = 2 * self._epoch + 1
        found = block.epochs
        gradients = found.fresh if len(found.fresh) else found.gradient_mean

        def batches(chosen: Indices) -> Indices:
            rows = self._last_rows
            return block.orders[chosen][:, rows] if len(block.orders) else np.tile(rows, (len(chosen), 1))

        points.check(self._design, found.before, gradients, None if self._steps == 1 else batches)

    @property
    def _last_rows(self) -> Indices:
        """The rows of an epoch's last step, in its order."""
        return np.arange((self._steps - 1) * self._size, self._rows)
