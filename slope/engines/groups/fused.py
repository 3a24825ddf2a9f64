"""The settings of a sweep together: compiled steps for some models at a time, each with a place of its own.

They share data, the order of its rows and the form of their update. What a model comes to depends on its own settings
alone: a run goes on, or is replayed, to the same bits without those that have ended. Autograd is given points that the
models came through, and a gradient that differs from its own ends the run.

Where every step sees all rows and the error is squared, D + 2 rows stand for them; see slope.engines.reduction.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from time import perf_counter

import numpy as np

from slope.arrays import Array, Indices
from slope.data import TrainingData, initial_parameters
from slope.engines.descent import points
from slope.engines.descent.design import Design
from slope.engines.descent.reach import largest_number
from slope.engines.groups import groups
from slope.engines.groups.early_stopping import GroupPatience
from slope.engines.groups.rounds import Found, Round
from slope.engines.groups.walks import Ground, Walk
from slope.engines.layouts.lane_columns import LaneState, MemberEpochs, MemberSteps, of_models
from slope.engines.layouts.lane_rules import LANES, initial_buffers, kept_buffers
from slope.engines.layouts.rules import BUFFERS
from slope.engines.reduction.reduced import Reductions, reductions_of
from slope.model import Parameters
from slope.records import StepRecord, StepTable
from slope.spec import TrainingSpec

_BLOCK_SECONDS = 0.05
"""The epochs of a block take about this long."""
_REPLAYED_STEPS = 2**12
"""Steps that are replayed together."""


class Fused:
    """A run of up to K models. It can be left after any round and taken up again, bit for bit, from its states."""

    def __init__(
        self,
        data: TrainingData,
        specs: Mapping[int, TrainingSpec],
        width: int,
        *,
        keeps_steps: bool = True,
        pause: Callable[[], None] = lambda: None,
        reductions: Reductions | None = None,
        threads: int = 1,
    ) -> None:
        """`specs` by place below `width`, of one group (slope.engines.groups); `data` is prepared as they ask for.

        `pause` is called again and again. It may drop places, and raise Interrupted. `reductions` are what stands
        for the data, where they are known: it need not have rows then. `threads` take the steps, each those of some
        models: no number depends on how many.
        """
        self._epoch = 0
        self._live = set(specs)
        self._spec = next(iter(specs.values()))
        self._width = width
        self._specs = [specs.get(place, self._spec) for place in range(-(-width // LANES) * LANES)]
        self._keeps_steps = keeps_steps
        self._pause = pause
        self._data = data
        self._reductions = reductions
        self._threads = threads
        self._patience = GroupPatience.of(self._specs, data.x.shape[1])
        self._length = 0
        """Epochs that take as long as a block should; 0 before the first."""
        self._next_check = 0
        """The epoch from which on the gradients of a very large batch are checked again."""

    @property
    def epoch(self) -> int:
        """The epoch to be trained next."""
        return self._epoch

    @property
    def live(self) -> Set[int]:
        """Places that still train."""
        return self._live

    def drop(self, place: int) -> None:
        """Train a model no further: the round that it is in leaves no record of it."""
        self._live.discard(place)

    def epochs(self, until: int | None = None) -> Iterator[Round]:
        """Train on, up to an epoch, until no model trains any more. Raises what `pause` does.

        While a round is looked at, `has_ended` and `result` are about the models that are in it.
        """
        end = self._spec.epochs if until is None else until
        while self._live and self._epoch < end:
            yield self._train(end)
            self._live -= self._ended()

    def replayed(self, place: int, steps: range) -> Iterator[StepRecord]:
        """Some steps of a model in the epoch to be trained next, all finite; the run cannot go on afterwards."""
        ground, walk = self._ground, self._walk(1, [place])
        numbers, end = self._room(1), min(steps.stop, self._ground.steps)
        walk.go(min(steps.start, end), numbers, self._step_room(0), self._pause)
        for start in range(steps.start, end, _REPLAYED_STEPS):
            count = min(_REPLAYED_STEPS, end - start)
            kept = self._step_room(count)
            walk.go(count, numbers, kept, self._pause, first_kept=start)
            finite = min(int(walk.taken[place]) - start, count)
            found = Found(self._epoch, ground, numbers, kept, walk.taken, walk.finite_epochs, walk.learning_rates)
            yield from StepTable(found.steps_of(place, range(start, start + max(finite, 0))))
            if finite < count:
                return

    def parameters(self, place: int) -> Parameters:
        """The parameters of a model as they stand."""
        theta = of_models(self._state.theta)[place].tolist()
        return Parameters(theta[:-1], theta[-1]) if self._spec.fit_bias else Parameters(theta, None)

    def has_ended(self, place: int) -> bool:
        """Whether a model has trained all of its epochs, or stopped early."""
        return self.epoch >= self._spec.epochs or self.stopped_early(place)

    def _ended(self) -> set[int]:
        """All that have."""
        if self.epoch >= self._spec.epochs:
            return set(self._live)
        return self._patience.exhausted_places() if self._patience else set()

    def stopped_early(self, place: int) -> bool:
        return self._patience is not None and self._patience.exhausted(place)

    def result(self, place: int) -> Parameters:
        """The parameters to predict with: the best where early stopping watches, otherwise as they stand."""
        best = self._patience.best(place, has_bias=self._spec.fit_bias) if self._patience else None
        return best or self.parameters(place)

    def states(self) -> Array:
        """K rows: all that the rest of each model's run depends on, after the last round."""
        epoch = np.full((self._width, 1), float(self.epoch))
        watched = [self._patience.state[: self._width]] if self._patience else []
        return np.hstack([epoch, *watched, *(of_models(kept)[: self._width] for kept in self._kept(self._state))])

    def restore(self, states: Mapping[int, Array]) -> None:
        """Stand where the run stood when these rows were taken, all after the same epoch."""
        self._epoch = int(next(iter(states.values()))[0])
        for place, row in states.items():
            start = 1
            if self._patience:
                start += self._patience.state.shape[1]
                self._patience.state[place] = row[1:start]
            for kept in self._kept(self._state):
                columns = kept.shape[1]
                kept[place // LANES, :, place % LANES] = row[start : start + columns]
                start += columns

    def _kept(self, state: LaneState) -> list[Array]:
        """What a step leaves to the next one, each G × a few × LANES; the update's buffers are the last."""
        learns = slice(self._ground.rule.first, self._ground.rule.stop)
        kept = [state.theta]
        if self._spec.zero_gradients == "never":
            kept.append(state.gradient[:, learns])
        buffers = state.buffers.reshape(len(state.buffers), BUFFERS, -1, LANES)
        return [*kept, *(buffers[:, row, learns] for row in range(kept_buffers(self._specs)))]

    def follow(self, epochs: int) -> tuple[Walk, Found]:
        """What some epochs come to. The run stays where it is, and no gradient is held against autograd's."""
        ground = self._ground
        keeps = self._keeps_steps and self._spec.keeps_epoch(self._epoch)
        numbers, kept = self._room(epochs), self._step_room(epochs * ground.steps if keeps else 0)
        walk = self._walk(epochs, sorted(self._live))
        walk.go(epochs * ground.steps, numbers, kept, self._pause)
        return walk, Found(self._epoch, ground, numbers, kept, walk.taken, walk.finite_epochs, walk.learning_rates)

    def _train(self, end: int) -> Round:
        started, epochs = perf_counter(), self._block_length(end)
        walk, found = self.follow(epochs)
        places = np.array(sorted(self._live), dtype=np.int64)  # some may have been dropped meanwhile
        self._check(walk, places)
        seconds = (perf_counter() - started) / epochs
        self._length = max(1, min(2 * epochs, int(_BLOCK_SECONDS / seconds)))
        self._state = walk.state
        return self._round(found, places, seconds)

    def _round(self, found: Found, places: Indices, seconds: float) -> Round:
        largest = largest_number(self._spec)
        counts = found.finite[places]
        broken = counts < found.epochs
        if self._patience:
            watched = found.numbers.validation_loss if found.numbers.validation_loss.size else found.numbers.loss
            counts = self._patience.judge(watched, found.numbers.theta, places, counts, has_bias=self._spec.fit_bias)
            broken &= [not self._patience.exhausted(place) for place in places.tolist()]
        ends = zip(places[broken].tolist(), counts[broken].tolist(), strict=True)
        diverged = {place: found.broken_step(place, count) for place, count in ends}
        self._epoch += found.epochs
        self._live -= diverged.keys()
        records = found.records(places, counts, seconds)
        step_places, steps = found.step_records(places, counts, diverged, largest)
        return Round(found.first, places, counts, records, diverged, step_places, steps)

    def _check(self, walk: Walk, places: Indices) -> None:
        """Hold gradients of the block against autograd's, those of very large batches ever more rarely."""
        is_large = self._ground.batch * self._ground.parameters > points.CHECKED_NUMBERS
        if not is_large or self._epoch >= self._next_check:
            self._next_check = 2 * self._epoch + 1
            walk.check(places)

    def _walk(self, epochs: int, places: Sequence[int]) -> Walk:
        return Walk(self._ground, self._state, self._epoch, epochs, places, self._threads)

    def _room(self, epochs: int) -> MemberEpochs:
        ground = self._ground
        return MemberEpochs.room(
            len(self._specs),
            epochs,
            ground.parameters,
            ground.learnt,
            has_steps=ground.steps > 1,
            holds_back=ground.held_back is not None,
        )

    def _step_room(self, steps: int) -> MemberSteps:
        return MemberSteps.room(len(self._specs), steps, self._ground.parameters, self._ground.learnt)

    def _block_length(self, end: int) -> int:
        """Epochs of the next block: alike in whether their steps are kept."""
        ground = self._ground
        gradients = 1 if ground.steps == 1 else 2
        numbers = len(self._specs) * (ground.parameters + gradients * (ground.learnt + 1) + 2)
        if self._keeps_steps:
            end = min(end, self._next_kept_epoch(end))
            if self._spec.keeps_epoch(self._epoch):
                numbers += len(self._specs) * ground.steps * (ground.parameters + ground.learnt + 1)
        if ground.is_shuffled:
            numbers += ground.rows
        if self._spec.schedule_counts_steps:
            numbers += len(self._specs) * ground.steps
        length = self._length or self._first_length
        return min(length, end - self._epoch, max(1, groups.BLOCK_NUMBERS // numbers))

    @property
    def _first_length(self) -> int:
        """By what such epochs cost."""
        ground = self._ground
        size = (ground.rows, ground.batch, ground.parameters)
        return max(1, int(_BLOCK_SECONDS / groups.epoch_seconds(self._spec, *size, len(self._specs))))

    def _next_kept_epoch(self, end: int) -> int:
        """Where a block has to end, for the steps of the next epoch are kept and those of this one are not, or not."""
        every = self._spec.record.every
        if every == 1:
            return end
        if self._spec.keeps_epoch(self._epoch):
            return self._epoch + 1
        return min((self._epoch // every + 1) * every, max(self._epoch + 1, self._spec.epochs - 1))

    @cached_property
    def _state(self) -> LaneState:
        return LaneState.at(self._starts, initial_buffers(self._specs))

    @property
    def _starts(self) -> Array:
        """The parameters of each model before its first step: W × K."""
        features, specs = self._data.x.shape[1], self._specs
        if all(spec.initial_weights == spec.initial_bias == "zeros" for spec in specs) and self._data.scaler is None:
            return np.zeros((len(specs), features + self._spec.fit_bias))
        starts = [initial_parameters(features, spec, self._data.scaler) for spec in specs]
        return np.array([weights if bias is None else [*weights, bias] for weights, bias in starts], dtype=float)

    @cached_property
    def _ground(self) -> Ground:
        """May take long, where the data is to be reduced."""
        data, features = self._data, self._data.x.shape[1]
        whole = self._spec.model_copy(update={"frozen": []})
        start = Parameters(*initial_parameters(features, whole, data.scaler))
        is_reduced = groups.is_reduced(self._spec, len(data.y), features)
        if self._reductions is None and not is_reduced:
            design, held_back = (
                Design.of_rows(data.x, data.y, start, whole, data.weights),
                self._held_rows(start, whole),
            )
            return Ground(self._specs, design, held_back, len(data.y))
        found = self._reductions or reductions_of(data)(self._pause)
        design = Design.of_reduction(found.training, start, whole)
        held_back = Design.of_reduction(found.validation, start, whole) if found.validation.rows else None
        return Ground(self._specs, design, held_back and held_back.without_penalty, features + 2)

    def _held_rows(self, start: Parameters, whole: TrainingSpec) -> Design | None:
        x, y = self._data.validation_x, self._data.validation_y
        weights = self._data.validation_weights
        return Design.of_rows(x, y, start, whole, weights).without_penalty if len(y) else None
