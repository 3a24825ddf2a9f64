"""Which rows are trained on, and which are held back: a function of the seed alone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from slope.arrays import Indices
from slope.spec import TrainingSpec
from slope.streams import FOLDS, SAMPLE, SPLIT, random_state


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
    order = random_state(spec.seed, SPLIT).permutation(count)
    parts = np.split(order, [validation, validation + test])
    return np.sort(parts[2]), np.sort(parts[0]), np.sort(parts[1])


def _named_rows(count: int, spec: TrainingSpec) -> tuple[Indices, Indices, Indices]:
    is_trained_on = np.ones(count, bool)
    validation, test = _rows_of(spec.validation_rows), _rows_of(spec.test_rows)
    is_trained_on[validation] = is_trained_on[test] = False
    return np.flatnonzero(is_trained_on), validation, test


def _rows_of(ranges: Sequence[Sequence[int]]) -> Indices:
    return np.concatenate([np.arange(0), *(np.arange(first, stop) for first, stop in ranges)])


def training_rows(count: int, spec: TrainingSpec) -> int:
    """How many of `count` rows are left to train on."""
    return count - sum(spec.held_back(count))


def fold_of_rows(count: int, spec: TrainingSpec, folds: int) -> NDArray[np.int8]:
    """Of each of `count` rows the fold that it is in, 0 to folds − 1: a function of the seed alone, and evenly many."""
    return (random_state(spec.seed, FOLDS).permutation(count) % folds).astype(np.int8)


def sample_rows(rows: int, count: int, seed: int) -> list[int]:
    """This many different rows below a number, or all of them, ascending: every choice is as likely as any other.

    Floyd's algorithm: it takes as long as the sample is large, however many rows there are.
    """
    stream, chosen = random_state(seed, SAMPLE), set[int]()
    for last in range(max(0, rows - count), rows):
        drawn = int(stream.randint(0, last + 1, dtype=np.int64))
        chosen.add(last if drawn in chosen else drawn)
    return sorted(chosen)
