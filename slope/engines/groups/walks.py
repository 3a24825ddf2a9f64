"""Steps that many models take together from an epoch on: what they walk on, and how far they have come."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from slope.arrays import Array, Indices
from slope.data import batch_rows, epoch_order, steps_per_epoch
from slope.engines.descent import points
from slope.engines.descent.design import Design
from slope.engines.descent.rates import learning_rates
from slope.engines.descent.reach import largest_number
from slope.engines.layouts.lane_columns import HeldBack, LaneState, MemberEpochs, MemberSteps, of_models
from slope.engines.layouts.lane_rules import L1, L2, LANES, MOMENTUM, Rule, own_numbers
from slope.engines.layouts.rules import Limits, Objective, Update
from slope.spec import TrainingSpec

_RATES = 1024
"""Learning rates that are computed together."""
_CHUNK_ROWS = 2**18
"""Rows, each for a group of models, between two questions whether to stop: some hundredths of a second."""
_THREAD_ROWS = 2**14
"""Such rows are worth a thread: about half a millisecond."""


@dataclass(frozen=True)
class Ground:
    """What W models share, and the numbers that are each one's own."""

    specs: Sequence[TrainingSpec]
    design: Design
    """Of whole models: what is frozen is among the parameters."""
    held_back: Design | None
    rows: int
    """Those of an epoch, as they are or as what stands for them."""

    @property
    def spec(self) -> TrainingSpec:
        """What they have in common of it."""
        return self.specs[0]

    @property
    def parameters(self) -> int:
        return self.design.parameters

    @property
    def learnt(self) -> int:
        """How many of the parameters learn."""
        return self.rule.stop - self.rule.first

    @property
    def batch(self) -> int:
        return self.rows if self.design.rows else batch_rows(self.rows, self.spec)

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return 1 if self.design.rows else steps_per_epoch(self.rows, self.spec)

    @property
    def is_shuffled(self) -> bool:
        return self.spec.shuffle and self.steps > 1

    @cached_property
    def rule(self) -> Rule:
        spec, features = self.spec, self.parameters - self.spec.fit_bias
        first = features if "weights" in spec.frozen else 0
        stop = self.parameters if spec.learns_bias else features
        largest = largest_number(spec)
        limits = Limits.of(spec, largest / (self.design.rows or 1))
        changes = spec.schedule.name != "constant"
        per_epoch = (self.steps if spec.schedule_counts_steps else 1) if changes else 0
        rates = (per_epoch, int(spec.schedule_counts_steps))
        return Rule(first, stop, limits.zeroed, spec.clip_norm is not None, *rates, largest, limits.largest_sum)

    @cached_property
    def update(self) -> Update:
        """With momentum where any of the models has it."""
        return Update.of(self.spec)._replace(momentum=float(self.own[:, MOMENTUM].max()))

    @cached_property
    def objective(self) -> Objective:
        """With the penalties that any of the models has."""
        l1, l2 = self.own[:, L1].max(), self.own[:, L2].max()
        return self.design.objective._replace(l1=float(l1), l2=float(l2))

    @cached_property
    def held(self) -> HeldBack:
        if self.held_back is None:
            return HeldBack(self.design.x[:0], self.design.targets[:0], self.design.objective)
        return HeldBack(self.held_back.x, self.held_back.targets, self.held_back.objective)

    @cached_property
    def own(self) -> Array:
        """G × a row for each number that is a model's own × LANES."""
        found = own_numbers(self.specs)
        return np.ascontiguousarray(found.reshape(len(found), -1, LANES).swapaxes(0, 1))

    def orders(self, first: int, epochs: int) -> Indices:
        """The rows as the epochs from one on visit them: epochs × N, or 0 × 0 where they keep their order."""
        if not self.is_shuffled:
            return np.empty((0, 0), np.int64)
        return np.array([epoch_order(self.rows, self.spec, first + epoch) for epoch in range(epochs)])

    def rates(self, first: int, epochs: int) -> Array:
        """The learning rates of the epochs from one on, G × as many as there are × LANES; see Rule."""
        rates, per_epoch = learning_rates(self.specs, self.steps), self.rule.rates_per_epoch
        if not per_epoch:
            return _by_groups(rates(0)[None])
        start, stop = first * per_epoch, (first + epochs) * per_epoch
        # Always as many together: where an array ends, a power may be rounded in another way.
        parts = range(start // _RATES, (stop - 1) // _RATES + 1)
        found = np.concatenate([rates(np.arange(part * _RATES, (part + 1) * _RATES)[:, None]) for part in parts])
        return _by_groups(found[start - parts[0] * _RATES :][: stop - start])


def _by_groups(rates: Array) -> Array:
    """C × W as G × C × LANES."""
    return np.ascontiguousarray(rates.reshape(len(rates), -1, LANES).swapaxes(0, 1))


class Walk:
    """Through some epochs. The run itself does not move: `state` is where the models have come to."""

    def __init__(
        self, ground: Ground, state: LaneState, first: int, epochs: int, places: Sequence[int], threads: int = 1
    ) -> None:
        """`places` are the models that take part, with those that are in a group with them.

        `threads` walk, each with some of the groups, where there is enough to do: no number depends on it.
        """
        self._ground = ground
        self._threads = threads
        self._groups = np.unique(np.array(places) // LANES)
        self.state = state.copy()
        groups, parameters = len(state.theta), ground.parameters
        self._orders, self._rates = ground.orders(first, epochs), ground.rates(first, epochs)
        self._positions = np.tile([0, 0, first * ground.steps], (groups, 1))
        self._sums = np.zeros((groups, parameters + 1, LANES))
        self._points = np.zeros((groups, 2 * parameters, LANES))
        self._sound = np.zeros((groups, 3, LANES))
        self._sound[:, 0] = 1.0
        self._whole = (ground.design, ground.objective, ground.held, ground.update, ground.rule, ground.own)
        self._epochs = epochs

    def go(
        self, steps: int, numbers: MemberEpochs, kept: MemberSteps, pause: Callable[[], None], first_kept: int = 0
    ) -> None:
        """Take some more steps, and write them down. Raises what `pause` does."""
        batch = self._ground.batch
        each = max(1, min(steps, _CHUNK_ROWS // batch))
        together, threads = max(1, _CHUNK_ROWS // (each * batch)), self._threads_for(steps)
        with ThreadPoolExecutor(threads) as others:  # which it starts as they are needed
            for start in range(0, len(self._groups), together * threads):
                mine, *theirs = np.array_split(self._groups[start : start + together * threads], threads)
                for left in range(steps, 0, -each):
                    pause()
                    step = partial(self._step, min(each, left), numbers, kept, first_kept)
                    begun = [others.submit(step, groups) for groups in theirs]
                    step(mine)
                    for thread in begun:
                        thread.result()

    def _threads_for(self, steps: int) -> int:
        work = len(self._groups) * steps * self._ground.batch
        return max(1, min(self._threads, len(self._groups), work // _THREAD_ROWS))

    def _step(self, steps: int, numbers: MemberEpochs, kept: MemberSteps, first_kept: int, groups: Indices) -> None:
        """Take some more steps with some of the groups."""
        design, objective, held, update, rule, own = self._whole
        from slope.engines.kernels.lanes import descend_together  # which brings numba

        descend_together(
            groups,
            design.x,
            design.targets,
            self._orders,
            self._ground.batch,
            objective,
            held,
            update,
            rule,
            own,
            self._rates,
            steps,
            first_kept,
            self._positions,
            self.state,
            self._sums,
            self._points,
            self._sound,
            numbers,
            kept,
        )

    @property
    def taken(self) -> Indices:
        """How many steps of each model came before the first loss that was not finite (W)."""
        return self._sound[:, 1].reshape(-1).astype(np.int64)

    @property
    def finite_epochs(self) -> Indices:
        """How many epochs of each model came before the first with a number that was not finite (W)."""
        return self._sound[:, 2].reshape(-1).astype(np.int64)

    def check(self, places: Indices) -> None:
        """Hold the gradient of the last sound step that ended an epoch of some models against autograd's.

        Of as many as points.check looks at. Raises GradientsDiffer.
        """
        ground = self._ground
        ends = self.taken[places] // ground.steps
        models, ends = places[ends > 0], ends[ends > 0]
        if not len(models):
            return
        found, last_rows = of_models(self._points)[models], np.arange((ground.steps - 1) * ground.batch, ground.rows)
        thetas, gradients = found[:, : ground.parameters], found[:, ground.parameters :]

        def batches(chosen: Indices) -> Indices:
            if len(self._orders):
                return self._orders[ends[chosen] - 1][:, last_rows]
            return np.tile(last_rows, (len(chosen), 1))

        specs = [ground.specs[place] for place in models]
        points.check(ground.design, thetas, gradients, None if ground.steps == 1 else batches, specs)

    @property
    def learning_rates(self) -> Array:
        """Those with which the epochs begin: W × E."""
        rates, per_epoch = of_models(self._rates), self._ground.rule.rates_per_epoch
        return rates[:, ::per_epoch] if per_epoch else np.broadcast_to(rates, (len(rates), self._epochs))
