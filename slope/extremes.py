"""The extremes of epochs, number by number: by them few epochs draw the curve of many, with every spike.

Extremes have levels: those of a bucket of epochs, of a block of buckets, and of any stretch that some of them make up.
"""

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from slope.arrays import Array, Indices
from slope.columns import EpochColumns

Extremes = NDArray[np.void]
"""Of some epochs each: the first, the last, the first with the least and with the greatest number, and those two."""

EXTREMES = np.dtype(
    [
        ("first", "<i4"),
        ("last", "<i4"),
        ("least_at", "<i4"),
        ("greatest_at", "<i4"),
        ("least", "<f8"),
        ("greatest", "<f8"),
    ]
)
BUCKET = 64
"""Epoch records that a bucket has; the last one of a block may have fewer."""


@dataclass(frozen=True)
class EpochNumber:
    """One of the numbers of an epoch: a column, or one place in it."""

    column: str
    place: int | None
    """In the vectors of the column."""
    index: int
    """Among all numbers of an epoch."""

    @classmethod
    def named(cls, name: str, features: int) -> Self | None:
        """By the name it has in CSV: `loss`, `weights_0`. None where a model of this many features has none such."""
        index = 0
        for column in _COLUMNS:
            if column not in EpochColumns.vectors:
                if name == column:
                    return cls(column, None, index)
                index += 1
                continue
            place = name.removeprefix(f"{column}_")
            if place != name and place.isdecimal() and place == str(int(place)) and int(place) < features:
                return cls(column, int(place), index + int(place))
            index += features
        return None


def count_numbers(features: int) -> int:
    """Of an epoch, besides its own."""
    return sum(features if column in EpochColumns.vectors else 1 for column in _COLUMNS)


def bucket_extremes(epochs: EpochColumns) -> Extremes:
    """Of the C numbers of at least one epoch, each in B buckets: C × B. A number that is not there has NaN."""
    count = -(-len(epochs) // BUCKET)
    numbers = _numbers(epochs, count * BUCKET)
    members = np.minimum(np.arange(count * BUCKET), len(epochs) - 1)
    return _extremes_of(epochs.epoch[members].reshape(count, BUCKET), numbers.reshape(len(numbers), count, BUCKET))


def block_extremes(buckets: Extremes) -> Extremes:
    """Of all the buckets of each number: C."""
    least, greatest = buckets["least"].argmin(axis=1), buckets["greatest"].argmax(axis=1)
    numbers = np.arange(len(buckets))
    found = buckets[:, 0].copy()
    found["last"] = buckets["last"][:, -1]
    found["least_at"], found["least"] = (buckets[name][numbers, least] for name in ("least_at", "least"))
    found["greatest_at"], found["greatest"] = (buckets[name][numbers, greatest] for name in ("greatest_at", "greatest"))
    return found


def epochs_as_extremes(epochs: Indices, values: Array) -> Extremes:
    """Of one number: each epoch by itself."""
    found = np.empty(len(epochs), EXTREMES)
    for name in ("first", "last", "least_at", "greatest_at"):
        found[name] = epochs
    found["least"] = found["greatest"] = values
    return found


def chosen_epochs(parts: Extremes, stretches: Indices) -> Indices:
    """The epochs to draw a number by, ascending, where each of the parts lies in one of the stretches.

    Of each stretch the first and the last, and the first with the least and with the greatest number. As in M4 (Jugel
    et al., VLDB 2014): a line through them looks like the line through all.
    """
    orders = {
        "first": (parts["first"], stretches),
        "last": (-parts["last"], stretches),
        "least_at": (parts["least_at"], parts["least"], stretches),
        "greatest_at": (parts["greatest_at"], -parts["greatest"], stretches),
    }
    return np.unique([parts[name][_first_of_each(stretches, keys)] for name, keys in orders.items()])


def _first_of_each(stretches: Indices, keys: tuple[NDArray[Any], ...]) -> Indices:
    """The index of the part of each stretch that comes first by the keys, the most important of which is the last."""
    order: Indices = np.lexsort(keys)
    return order[np.unique(stretches[order], return_index=True)[1]]


_COLUMNS = [field.name for field in fields(EpochColumns) if field.name != "epoch"]


def _numbers(epochs: EpochColumns, length: int) -> Array:
    """C × length: the last epoch stands also where there are no more."""
    features, count = epochs.weights.shape[1], len(epochs)
    found = np.empty((count_numbers(features), length))
    start = 0
    for name in _COLUMNS:
        width = features if name in EpochColumns.vectors else 1
        column = getattr(epochs, name)
        found[start : start + width, :count] = np.nan if column is None else column.T
        start += width
    found[:, count:] = found[:, count - 1 : count]
    return found


def _extremes_of(epochs: Indices, numbers: Array) -> Extremes:
    """C × B, of B × S epochs and C × B × S numbers."""
    found = np.empty(numbers.shape[:2], EXTREMES)
    found["first"], found["last"] = epochs[:, 0], epochs[:, -1]
    buckets = np.arange(len(epochs))
    for name, at in (("least", numbers.argmin(axis=2)), ("greatest", numbers.argmax(axis=2))):
        found[f"{name}_at"] = epochs[buckets, at]
        found[name] = np.take_along_axis(numbers, at[:, :, None], axis=2)[:, :, 0]
    return found
