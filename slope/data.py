"""From rows to what is trained on: splitting, standardizing, and the order of the batches.

Everything here is a function of the data, the seed and the epoch alone, so that any epoch can be replayed by itself.
The random orders come from NumPy's legacy generator, whose streams are frozen for good (NEP 19).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from slope.spec import TrainingSpec

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

COARSE = 0.01
"""float32's spacing at a column's largest number may be this fraction of its deviation; beyond, something is done.

Rounding to a spacing h adds a variance of h²/12: at this fraction about 1e-5 of the column's own.
"""
_SPLIT, _ORDER, _START, _FOLDS, _SAMPLE = range(5)
"""Each makes a random stream of its own out of one seed."""


@dataclass(frozen=True)
class Scaler:
    """x_scaled = (x − means) / deviations, per feature; y_scaled = y − target_mean."""

    means: Array
    deviations: Array
    target_mean: float = 0.0
    """0 unless float32 would round the targets away."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """From what `document` gave."""
        target_mean = document.get("target_mean", 0.0)
        return cls(np.array(document["means"]), np.array(document["deviations"]), target_mean)

    @property
    def document(self) -> dict[str, Any]:
        """As JSON keeps it."""
        means, deviations = self.means.tolist(), self.deviations.tolist()
        return {"means": means, "deviations": deviations, "target_mean": self.target_mean}

    def apply(self, x: Array) -> Array:
        return (x - self.means) / self.deviations

    def in_own_units(self, weights: Array, bias: float | None) -> tuple[Array, float | None]:
        """Weights (D) and bias of the scaled data as those that give the same predictions on the data itself."""
        with np.errstate(over="ignore", invalid="ignore"):
            own = weights / self.deviations
            return own, None if bias is None else float(bias - own @ self.means + self.target_mean)

    def in_scaled_units(self, weights: Array, bias: float) -> tuple[Array, float]:
        """The other way round."""
        with np.errstate(over="ignore", invalid="ignore"):
            return weights * self.deviations, float(bias + weights @ self.means - self.target_mean)


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
        scaler = replace(scaler, target_mean=_target_mean(y[chosen], spec, of_training))
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


def split_rows(count: int, spec: TrainingSpec) -> tuple[Indices, Indices]:
    """Indices of the rows to train on and of those to validate with, both ascending and disjoint."""
    training, validation, _ = divide_rows(count, spec)
    return training, validation


def divide_rows(count: int, spec: TrainingSpec) -> tuple[Indices, Indices, Indices]:
    """The same, and those to test with at the end; together all."""
    if spec.names_rows:
        return _named_rows(count, spec)
    validation, test = spec.held_back(count)
    if validation + test == 0:
        return np.arange(count), np.arange(0), np.arange(0)
    order = random_state(spec.seed, _SPLIT).permutation(count)
    parts = np.split(order, [validation, validation + test])
    return np.sort(parts[2]), np.sort(parts[0]), np.sort(parts[1])


def _named_rows(count: int, spec: TrainingSpec) -> tuple[Indices, Indices, Indices]:
    is_trained_on = np.ones(count, bool)
    validation, test = _rows_of(spec.validation_rows), _rows_of(spec.test_rows)
    is_trained_on[validation] = is_trained_on[test] = False
    return np.flatnonzero(is_trained_on), validation, test


def _rows_of(ranges: Sequence[Sequence[int]]) -> Indices:
    return np.concatenate([np.arange(0), *(np.arange(first, stop) for first, stop in ranges)])


def fold_of_rows(count: int, spec: TrainingSpec, folds: int) -> NDArray[np.int8]:
    """Of each of `count` rows the fold that it is in, 0 to folds − 1: a function of the seed alone, and evenly many."""
    return (random_state(spec.seed, _FOLDS).permutation(count) % folds).astype(np.int8)


def training_rows(count: int, spec: TrainingSpec) -> int:
    """How many of `count` rows are left to train on."""
    return count - sum(spec.held_back(count))


def fit_scaler(x: Array, spec: TrainingSpec, weights: Array | None = None) -> Scaler:
    """Means and population deviations; without a bias the data is not centred, for no bias could make up for it.

    A constant feature keeps its scale. Its values say that it is one: rounding leaves its deviation a little above 0.
    """
    _, exponents = np.frexp(np.abs(x).max(axis=0))
    unit = np.ldexp(x, -exponents)  # exactly the same digits near 1, whose squares neither overflow nor vanish
    if weights is not None:
        return _fit_weighted(x, unit, exponents, spec, weights)
    means = np.ldexp(unit.mean(axis=0), exponents) if spec.fit_bias else np.zeros(x.shape[1])
    deviations = np.ldexp(unit.std(axis=0), exponents)
    return Scaler(means, np.where(x.min(axis=0) < x.max(axis=0), deviations, 1.0))


def _fit_weighted(x: Array, unit: Array, exponents: Array, spec: TrainingSpec, weights: Array) -> Scaler:
    """As if each row were there as often as its weight says; what counts for nothing has no say."""
    shares, counted = weights / len(weights), x[weights > 0]
    centres = shares @ unit
    deviations = np.ldexp(np.sqrt(shares @ np.square(unit - centres)), exponents)
    means = np.ldexp(centres, exponents) if spec.fit_bias else np.zeros(x.shape[1])
    return Scaler(
        means, np.where(counted.min(axis=0, initial=np.inf) < counted.max(axis=0, initial=-np.inf), deviations, 1.0)
    )


def _target_mean(y: Array, spec: TrainingSpec, weights: Array | None = None) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        if weights is not None and (weights > 0).any():
            shares = weights / weights.sum()
            centre = float(shares @ y)
            return centre_of_targets(centre, float(np.sqrt(shares @ np.square(y - centre))), spec)
        mean, deviation = (float(y.mean()), float(y.std())) if y.min() < y.max() else (0.0, 0.0)
    return centre_of_targets(mean, deviation, spec)


def centre_of_targets(mean: float, deviation: float, spec: TrainingSpec) -> float:
    """What is taken off the targets in float64: their mean where float32 would round them away, otherwise nothing."""
    if spec.dtype != "float32" or not spec.fit_bias:  # without a bias nothing could make up for it
        return 0.0
    return mean if coarseness(abs(mean) + deviation, deviation) > COARSE else 0.0


def float32_spacing(largest: float) -> float:
    """Between neighbours in float32, at a number."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.spacing(np.float32(largest)))


def coarseness(largest: float, deviation: float) -> float:
    """The spacing as a fraction of the deviation; 0 for a constant, which has nothing to lose."""
    return float32_spacing(largest) / deviation if deviation > 0 else 0.0


def steps_per_epoch(count: int, spec: TrainingSpec) -> int:
    return -(-count // batch_rows(count, spec))


def batch_rows(count: int, spec: TrainingSpec) -> int:
    """Rows of a full batch when there are `count` rows to train on."""
    return count if spec.batch_size == "full" else min(spec.batch_size, count)


def epoch_order(count: int, spec: TrainingSpec, epoch: int) -> Indices:
    """The training rows in the order in which an epoch visits them: a function of (seed, epoch) alone."""
    return random_state(spec.seed, _ORDER, epoch).permutation(count) if spec.shuffle else np.arange(count)


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
        named["normal"] = random_state(spec.seed, _START).standard_normal(features + 1).tolist()
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


def sample_rows(rows: int, count: int, seed: int) -> list[int]:
    """This many different rows below a number, or all of them, ascending: every choice is as likely as any other.

    Floyd's algorithm: it takes as long as the sample is large, however many rows there are.
    """
    stream, chosen = random_state(seed, _SAMPLE), set[int]()
    for last in range(max(0, rows - count), rows):
        drawn = int(stream.randint(0, last + 1, dtype=np.int64))
        chosen.add(last if drawn in chosen else drawn)
    return sorted(chosen)


def random_state(*key: int) -> np.random.RandomState:
    """A generator whose stream depends on the key alone."""
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence(key)))
