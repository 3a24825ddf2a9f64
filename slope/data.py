"""From rows to what is trained on: divided, standardized, in batches, and from where the parameters start.

Everything here is a function of the data, the seed and the epoch alone, so that any epoch can be replayed by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from slope.arrays import Array, Indices
from slope.scaling import Scaler, fit_scaler, fit_target_mean
from slope.spec import TrainingSpec
from slope.splits import divide_rows, split_rows, training_rows
from slope.streams import ORDER, START, random_state


@dataclass(frozen=True)
class TrainingData:
    """What the loop reads: x is N × D, y is N; the validation rows apart; `rows` are the indices in the dataset."""

    x: Array
    y: Array
    rows: Indices
    validation_x: Array
    validation_y: Array
    scaler: Scaler | None = None
    test_x: Array | None = None
    """None where no rows are kept for a test."""
    test_y: Array | None = None
    weights: Array | None = None
    """Of the rows trained on (N), with a mean of 1; None where all count alike."""
    validation_weights: Array | None = None
    test_weights: Array | None = None

    @property
    def is_weighted(self) -> bool:
        return self.weights is not None

    def squared_roots(self, rows: slice = slice(None)) -> Array | float:
        """By which rows are multiplied so that their squares are weighted."""
        return 1.0 if self.weights is None else np.sqrt(self.weights[rows])


def unread_data(features: int, scaler: Scaler | None) -> TrainingData:
    """Data of which no row is in memory."""
    x, y = np.empty((0, features)), np.empty(0)
    return TrainingData(x, y, np.arange(0), x, y, scaler)


class NoRowCounts(ValueError):
    """Of the rows that are left to train on."""

    def __init__(self) -> None:
        super().__init__(
            "All rows left to train on have a weight of 0: take another seed, or smaller validation and test fractions"
        )


def prepare(
    x: Array, y: Array, spec: TrainingSpec, weights: Array | None = None, scaler: Scaler | None = None
) -> TrainingData:
    """Split and standardize. x is N × D, y and the rows' weights are N, all float64. Raises NoRowCounts.

    `scaler` is one that is kept, of rows that came before; otherwise these rows have one of their own.
    """
    training, validation, test = divide_rows(len(y), spec)
    if weights is not None and not weights[training].any():
        raise NoRowCounts
    chosen = training if len(training) < len(y) else slice(None)  # all of them, in their order, need no copy
    if spec.standardize and scaler is None:
        of_training = None if weights is None else even_weights(weights[chosen])
        scaler = fit_scaler(x[chosen], spec, of_training)
        scaler = replace(scaler, target_mean=fit_target_mean(y[chosen], spec, of_training))
    if scaler is not None:
        x, y = scaler.apply(x), y - scaler.target_mean
    tested = (x[test], y[test]) if len(test) else (None, None)
    parts = (training, validation, test)
    weighted = () if weights is None else (even_weights(weights[part]) for part in parts)
    return TrainingData(x[chosen], y[chosen], training, x[validation], y[validation], scaler, *tested, *weighted)


def even_weights(weights: Array) -> Array:
    """Scaled to a mean of 1; as they are where that cannot be."""
    largest = float(weights.max(initial=0.0))
    return weights / largest / (weights / largest).mean() if largest > 0 else weights


def steps_per_epoch(count: int, spec: TrainingSpec) -> int:
    return -(-count // batch_rows(count, spec))


def batch_rows(count: int, spec: TrainingSpec) -> int:
    """Rows of a full batch when there are `count` rows to train on."""
    return count if spec.batch_size == "full" else min(spec.batch_size, count)


def epoch_order(count: int, spec: TrainingSpec, epoch: int) -> Indices:
    """The training rows in the order in which an epoch visits them: a function of (seed, epoch) alone."""
    return random_state(spec.seed, ORDER, epoch).permutation(count) if spec.shuffle else np.arange(count)


@dataclass(frozen=True)
class RowsOfSteps:
    """The rows of each step of an epoch, as indices in the dataset of `count` rows; a short last batch is kept.

    Reads like a list of lists. It takes eight bytes a row, from when the first step is looked at.
    """

    count: int
    spec: TrainingSpec
    epoch: int

    @property
    def size(self) -> int:
        """Rows of a whole batch."""
        return batch_rows(training_rows(self.count, self.spec), self.spec)

    def __len__(self) -> int:
        return steps_per_epoch(training_rows(self.count, self.spec), self.spec)

    def __getitem__(self, step: int) -> list[int]:
        rows: list[int] = self.of_step(step).tolist()
        return rows

    def of_step(self, step: int) -> Indices:
        """The same as an array, which is not copied. Raises IndexError."""
        if not 0 <= step < len(self):
            raise IndexError(step)
        return self._order[step * self.size : (step + 1) * self.size]

    def __iter__(self) -> Iterator[list[int]]:
        return map(self.__getitem__, range(len(self)))

    @cached_property
    def _order(self) -> Indices:
        """The training rows as the epoch visits them."""
        training, _ = split_rows(self.count, self.spec)
        return training[epoch_order(len(training), self.spec, self.epoch)]


def initial_parameters(
    features: int, spec: TrainingSpec, scaler: Scaler | None = None
) -> tuple[list[float], float | None]:
    """Weights (D) and bias before the first step, as those of the scaled data where there is a scaler.

    Numbers are in the data's own units, and so is a bias of zeros with them. What is drawn is drawn for the scaled
    data, and zeros that go with no numbers are zeros there.
    """
    weights, bias = spec.initial_weights, spec.initial_bias
    named: dict[str, list[float]] = {"zeros": [0.0] * (features + 1)}
    if "normal" in (weights, bias):
        named["normal"] = random_state(spec.seed, START).standard_normal(features + 1).tolist()
    first = named[weights][:-1] if isinstance(weights, str) else weights
    last = named[bias][-1] if isinstance(bias, str) else bias
    if scaler is not None:
        first, last = _scaled_start(first, last, spec, scaler)
    return first, last if spec.fit_bias else None


def _scaled_start(weights: list[float], bias: float, spec: TrainingSpec, scaler: Scaler) -> tuple[list[float], float]:
    own = np.array(weights)
    if spec.initial_weights == "normal":
        own, _ = scaler.in_own_units(own, None)
    scaled, shifted = scaler.in_scaled_units(own, bias)
    is_of_scaled = spec.initial_bias == "normal" or isinstance(spec.initial_weights, str)
    is_shifted = not (isinstance(spec.initial_bias, str) and is_of_scaled)
    return weights if spec.initial_weights == "normal" else scaled.tolist(), shifted if is_shifted else bias
