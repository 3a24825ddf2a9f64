"""Some epochs of many models: the records that are made of what compiled code has written of them."""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from slope.arrays import Array, Indices
from slope.columns import EpochColumns, StepColumns
from slope.engines.groups.walks import Ground
from slope.engines.layouts.lane_columns import MemberEpochs, MemberSteps

Mask = NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class Round:
    """Epochs from `first` on of all models that were training. A model that ends in it has fewer than the others."""

    first: int
    places: Indices
    """Of the M models, ascending."""
    counts: Indices
    """How many epochs each of them finished (M)."""
    epochs: EpochColumns
    """Their records: those of the first model, then those of the next."""
    diverged: dict[int, int]
    """By place: the step in which the numbers of a model stopped being finite, in the epoch after its last."""
    step_places: Indices
    steps: StepColumns | None
    """What is kept of the steps, the finite ones of diverged models too; row i is of the model at `step_places[i]`."""

    @property
    def owners(self) -> Indices:
        """The place that each of the epoch records is of."""
        return np.repeat(self.places, self.counts)

    def last_of(self, place: int) -> int:
        """How many epochs a model has trained when the round is over."""
        return self.first + int(self.counts[np.searchsorted(self.places, place)])


@dataclass(frozen=True)
class Found:
    """What was found of E epochs of W models, whatever it is worth."""

    first: int
    ground: Ground
    numbers: MemberEpochs
    kept: MemberSteps
    taken: Indices
    """How many steps of each had a finite loss (W)."""
    finite: Indices
    """How many epochs of each came before the first with a number that was not finite (W)."""
    rates: Array
    """W × E."""

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return self.ground.steps

    @property
    def epochs(self) -> int:
        return int(self.numbers.loss.shape[1])

    def broken_step(self, place: int, count: int) -> int:
        """In which a model broke, after this many epochs; the last one where its numbers broke at their end."""
        return min(int(self.taken[place]) - count * self.steps, self.steps - 1)

    def records(self, places: Indices, counts: Indices, seconds: float) -> EpochColumns:
        """Of some models the epochs that each has finished; `seconds` are those of one."""
        rows, numbers, is_one_step = self._rows(places, counts, self.epochs), self.numbers, self.steps == 1
        gradient_mean = rows.of(numbers.gradient_mean)
        gradient_last = gradient_mean if is_one_step else rows.of(numbers.gradient_last)
        mean_weights, mean_bias = self._gradients(gradient_mean)
        last_weights, last_bias = self._gradients(gradient_last)
        weights, bias = self._models(rows.of(numbers.theta))
        loss = rows.of(numbers.loss)
        return EpochColumns(
            epoch=self.first + rows.indices,
            loss=loss,
            last_loss=loss if is_one_step else rows.of(numbers.last_loss),
            validation_loss=rows.of(numbers.validation_loss) if numbers.validation_loss.size else None,
            gradient_mean_weights=mean_weights,
            gradient_mean_bias=mean_bias,
            gradient_last_weights=last_weights,
            gradient_last_bias=last_bias,
            gradient_norm=rows.of(numbers.gradient_norm),
            weights=weights,
            bias=bias,
            learning_rate=rows.of(self.rates),
            seconds=np.full(len(loss), seconds),
        )

    def step_records(
        self, places: Indices, counts: Indices, diverged: dict[int, int], largest: float
    ) -> tuple[Indices, StepColumns | None]:
        """Of some models the steps of these epochs, and the finite ones of the epoch that broke; whose each is."""
        if not self.kept.loss.shape[1]:
            return places[:0], None
        broken = np.array([diverged.get(place, -1) for place in places.tolist()])
        at_the_end = (broken == self.steps - 1) & (self.taken[places] >= (counts + 1) * self.steps)
        rows = self._rows(places, counts * self.steps + np.maximum(broken, 0) + at_the_end, self.kept.loss.shape[1])
        gradient = rows.of(self.kept.gradient)
        columns = self._step_columns(rows, gradient)
        owners = np.repeat(places, rows.counts)
        with np.errstate(invalid="ignore"):
            finite = np.flatnonzero((np.abs(gradient) < largest).all(axis=1))
        return owners[finite], columns.at(finite)

    def steps_of(self, place: int, steps: range) -> StepColumns:
        """Of a model the first of the steps that were kept of one epoch; they are these of it."""
        rows = self._rows(np.array([place]), np.array([len(steps)]), self.kept.loss.shape[1])
        columns = self._step_columns(rows, rows.of(self.kept.gradient))
        return replace(columns, epoch=np.full(len(steps), self.first), step=np.array(steps, dtype=np.int64))

    def _step_columns(self, rows: "_Rows", gradient: Array) -> StepColumns:
        gradient_weights, gradient_bias = self._gradients(gradient)
        weights, bias = self._models(rows.of(self.kept.theta))
        return StepColumns(
            epoch=self.first + rows.indices // self.steps,
            step=rows.indices % self.steps,
            loss=rows.of(self.kept.loss),
            gradient_weights=gradient_weights,
            gradient_bias=gradient_bias,
            weights=weights,
            bias=bias,
        )

    def _rows(self, places: Indices, counts: Indices, columns: int) -> "_Rows":
        return _Rows(places, counts, columns, len(self.taken))

    def _gradients(self, vectors: Array) -> tuple[Array | None, Array | None]:
        """M vectors of what learns in the shape of the model; None for what does not learn."""
        has_bias = self.ground.spec.learns_bias
        weights = None if "weights" in self.ground.spec.frozen else vectors[:, : vectors.shape[1] - has_bias]
        return weights, vectors[:, -1] if has_bias else None

    def _models(self, thetas: Array) -> tuple[Array, Array | None]:
        return (thetas[:, :-1], thetas[:, -1]) if self.ground.spec.fit_bias else (thetas, None)


class _Rows:
    """The first few of the columns of some rows, one row's after another's."""

    def __init__(self, places: Indices, counts: Indices, columns: int, height: int) -> None:
        self.counts = counts
        self._chosen: Mask | None = None
        if len(places) < height or (counts < columns).any():
            reached = np.zeros(height, np.int64)
            reached[places] = counts
            self._chosen = np.arange(columns) < reached[:, None]
        whole = np.broadcast_to(np.arange(columns), (height, columns))
        self.indices = self.of(whole)

    def of(self, values: NDArray[T]) -> NDArray[T]:
        """Of an array with as many rows and columns; all of them are not copied."""
        if self._chosen is None:
            return values.reshape(-1, *values.shape[2:])
        return values[self._chosen]
