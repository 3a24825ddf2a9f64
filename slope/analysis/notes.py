"""What an analysis means for whoever sent the job, in sentences that say what to do."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slope.analysis.least_squares import Reduced, powers_of_two, stable_rate
from slope.answers.analysis import Analysis
from slope.arrays import Array
from slope.data import batch_rows
from slope.scaling import COARSE, coarseness, float32_spacing
from slope.spec import SGD, Constant, TrainingSpec
from slope.spec.names import listed

DWARFING = 1e3
"""How many times as large as another a column may be before a note says so."""
_MOST_NAMED = 5
"""Columns that a sentence names."""


def warnings_for(spec: TrainingSpec, analysis: Analysis | None) -> list[str]:
    """What to tell the sender of a job, in sentences: a learning rate too high, and the analysis' notes."""
    return [*rate_warnings(spec, analysis), *analysis.notes] if analysis else []


def notes_on(
    x: Array, idle: NDArray[np.bool_], spec: TrainingSpec, analysis: Analysis, reduced: Reduced
) -> Iterator[str]:
    """What is peculiar about the design, the solution and the rates.

    `x` has D columns of the size of the features, and `idle` says which of these add nothing (D).
    """
    rank, columns = analysis.rank, analysis.columns
    if rank < columns:
        meaning = "without l2 many minima would be equal" if spec.l2 else "of the many minima the shortest is given"
        yield f"The design has rank {rank} of {columns}: {meaning}."
    if analysis.rows < columns:
        yield f"There are fewer rows ({analysis.rows}) than parameters to learn ({columns})."
    if "weights" not in spec.frozen:
        yield from _column_notes(x, idle if analysis.rows > 1 else np.zeros_like(idle), spec)
    if spec.loss != "squared_error":
        yield f"The exact solution is that of the squared error; the loss trained is {spec.loss}."
    if spec.l1:
        yield "The exact solution leaves l1 out."
    if analysis.exact is None:
        yield "The exact solution or its loss is beyond the range of float64: scale the data."
    if rank == columns and analysis.condition_number is None:
        yield "The condition number is beyond the range of float64."
    yield from _rate_notes(spec, reduced)


def _column_notes(x: Array, idle: NDArray[np.bool_], spec: TrainingSpec) -> Iterator[str]:
    biased = spec.learns_bias
    if idle.any():
        meaning = " constant: the bias already says as much." if biased else " zero in every row."
        yield _named(np.flatnonzero(idle)) + meaning
    if not spec.standardize:
        yield from _dwarfed(x, biased)


def _dwarfed(x: Array, biased: bool) -> Iterator[str]:
    """Compare the columns' sizes, the ones of the bias among them."""
    names = [f"feature {index}" for index in range(x.shape[1])] + ["the bias' column of ones"] * biased
    sizes = np.append(_decades(x), [0.0] * biased)
    large, small = sizes.argmax(), np.where(np.isfinite(sizes), sizes, np.inf).argmin()
    if (apart := sizes[large] - sizes[small]) > math.log10(DWARFING):
        pair = f"{names[large]} is about 10^{apart:.0f} times as large as {names[small]}"
        yield f"Descent will be slow, for {pair}: set standardize."


def _decades(x: Array) -> Array:
    """log10 of each column's root mean square (D); −inf for a column of zeros."""
    exponents = powers_of_two(x)
    means = np.square(np.ldexp(x, -exponents)).mean(axis=0)
    return np.asarray(np.log10(means) / 2 + exponents * math.log10(2))


def _named(indices: NDArray[np.int64]) -> str:
    """Feature 2 is; Features 0, 2 are."""
    names = listed(list(map(str, indices)), _MOST_NAMED)
    return f"Feature {names} is" if len(indices) == 1 else f"Features {names} are"


def _rate_notes(spec: TrainingSpec, reduced: Reduced) -> Iterator[str]:
    """The huber loss has a second derivative of at most 1, where that of the squared error is 2."""
    if spec.loss == "absolute_error":
        return
    rate = stable_rate(reduced, 1.0 if spec.loss == "huber" else 2.0)
    if not rate > 0:
        yield "No learning rate of float64 is small enough for full-batch descent: scale the data."
    elif rate == math.inf:
        yield "Full-batch descent is stable at every learning rate of float64."
    elif spec.loss == "huber":
        yield f"With the huber loss, full-batch descent is stable at any learning rate below {rate:.6g}."


def stable_limit(spec: TrainingSpec, analysis: Analysis) -> float | None:
    """The rate above which a job diverges, or may, where it trains row by row; None where nothing is known of it."""
    optimizer = spec.optimizer
    if not (isinstance(optimizer, SGD) and moves_evenly(optimizer, spec)):
        return None
    if _is_full(spec, analysis):
        limit = analysis.max_stable_learning_rate
    elif spec.batch_size == 1 and not optimizer.momentum:
        limit = analysis.max_stable_learning_rate_per_row
    else:
        return None
    return None if limit is None else _with_momentum(optimizer, limit)


def rate_warnings(spec: TrainingSpec, analysis: Analysis) -> Iterator[str]:
    """Where the learning rate is above what the analysis knows to be stable."""
    limit = stable_limit(spec, analysis)
    if limit is None or spec.learning_rate == "auto" or (rate := spec.rate) <= limit:
        return
    by_rows = "and above that training row by row may diverge"
    meaning = "where full-batch descent on these rows begins to diverge" if _is_full(spec, analysis) else by_rows
    remedy = "" if spec.standardize else " or set standardize"
    yield f"learning_rate {rate} is above {limit:.6g}, {meaning}: lower learning_rate below {limit:.6g}{remedy}."


def _is_full(spec: TrainingSpec, analysis: Analysis) -> bool:
    return batch_rows(analysis.rows, spec) == analysis.rows


def moves_evenly(optimizer: SGD, spec: TrainingSpec) -> bool:
    """Whether the same linear map makes every step; of others the limits say nothing."""
    even = isinstance(spec.schedule, Constant) and spec.clip_norm is None and spec.zero_gradients == "step"
    return even and not optimizer.dampening and optimizer.momentum < 1


def _with_momentum(optimizer: SGD, rate: float) -> float:
    """What momentum μ and decay make of the limit 2/λ of plain descent.

    A step η along an eigenvector is a recursion that is stable while the roots z lie within the unit circle: those of
    z² − (1 + μ − ηλ)z + μ for the heavy ball, of z² − (1 + μ)(1 − ηλ)z + μ(1 − ηλ) for Nesterov. Decay adds to λ.
    """
    momentum = optimizer.momentum
    factor = (1 + momentum) / (1 + 2 * momentum) if optimizer.nesterov else 1 + momentum
    return 2 * factor / (2 / rate + optimizer.weight_decay)


@dataclass(frozen=True)
class Spread:
    """How far a column's numbers are from zero, and from each other."""

    name: str
    largest: float
    """Of the magnitudes."""
    deviation: float
    """Of the population."""

    @property
    def coarseness(self) -> float:
        return coarseness(self.largest, self.deviation)


def spreads_of(columns: Array, names: Sequence[str]) -> list[Spread]:
    """Of an N × C table."""
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers as large as that float32 holds none
        largest, deviations = np.abs(columns).max(axis=0), columns.std(axis=0)
    is_constant = columns.min(axis=0) == columns.max(axis=0)  # rounding leaves the deviation a little above 0
    numbers = zip(names, largest.tolist(), np.where(is_constant, 0.0, deviations).tolist(), strict=True)
    return [Spread(*each) for each in numbers]


def precision_warnings(spec: TrainingSpec, features: Sequence[Spread], target: Spread) -> list[str]:
    """What to tell of columns that float32 rounds away. Those that are centred are centred before, in float64."""
    if spec.dtype != "float32" or (spec.standardize and spec.fit_bias):
        return []
    coarse = sorted(
        (each for each in [*features, target] if each.coarseness > COARSE), key=lambda each: -each.coarseness
    )
    if not coarse:
        return []
    worst, names = coarse[0], listed([each.name for each in coarse], _MOST_NAMED)
    return [
        f"float32 is too coarse for {names}: at {worst.largest:.6g}, the largest number of {worst.name}, its numbers "
        f"are {float32_spacing(worst.largest):.3g} apart, and the column's deviation is {worst.deviation:.3g}. "
        "Set dtype: float64."
    ]
