"""The folds of a cross-validation from triangles: each row is reduced once, however many folds train on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from slope.arrays import Array, Indices
from slope.engines.reduction.partitioned import ReducedPartition
from slope.engines.reduction.reduced import Reductions
from slope.engines.reduction.reduction import Reduction
from slope.spec import TrainingSpec
from slope.splits import divide_rows

_WORTHWHILE = 4
"""Times as many rows as the triangles of all parts together have."""
_TRAINING, _VALIDATION, _TEST = range(3)


def fold_reductions(
    x: Array, y: Array, weights: Array | None, specs: Sequence[TrainingSpec]
) -> list[Reductions] | None:
    """Of each spec, which says what is held back, what stands for its rows; nothing for those of a test.

    None where that is not worthwhile: where there are few rows, or many folds. Raises NoRowCounts.
    """
    kinds = np.stack([_kinds(len(y), spec) for spec in specs])
    parts, part_of_row = np.unique(kinds, axis=1, return_inverse=True)
    count, features = parts.shape[1], x.shape[1]
    if len(y) < _WORTHWHILE * count * (features + 2):
        return None
    order = np.split(np.argsort(part_of_row, kind="stable"), np.cumsum(np.bincount(part_of_row))[:-1])
    reduced = [_Part.of(x, y, weights, rows) for rows in order]
    return [
        _joined(reduced, np.flatnonzero(of == _TRAINING), np.flatnonzero(of == _VALIDATION)).reductions(spec)
        for of, spec in zip(parts, specs, strict=True)
    ]


def _kinds(rows: int, spec: TrainingSpec) -> Indices:
    """Of each row what it is for."""
    kinds = np.full(rows, _TRAINING)
    _, validation, test = divide_rows(rows, spec)
    kinds[validation], kinds[test] = _VALIDATION, _TEST
    return kinds


@dataclass(frozen=True)
class _Part:
    """Rows that every fold has for the same thing."""

    reduction: Reduction
    lowest: Array
    highest: Array

    @classmethod
    def of(cls, x: Array, y: Array, weights: Array | None, rows: Indices) -> Self:
        own, counted = (None, x[rows]) if weights is None else (weights[rows], x[rows[weights[rows] > 0]])
        reduction = Reduction.of([(x[rows], y[rows], own)], x.shape[1])
        return cls(reduction, counted.min(axis=0, initial=np.inf), counted.max(axis=0, initial=-np.inf))


def _joined(parts: Sequence[_Part], training: Indices, validation: Indices) -> ReducedPartition:
    trained = [parts[place] for place in training]
    nothing = Reduction.of_nothing(len(parts[0].lowest))
    return ReducedPartition(
        _together([part.reduction for part in trained]),
        _together([nothing, *(parts[place].reduction for place in validation)]),
        nothing,
        np.min([part.lowest for part in trained], axis=0),
        np.max([part.highest for part in trained], axis=0),
    )


def _together(parts: Sequence[Reduction]) -> Reduction:
    triangle = np.asarray(np.linalg.qr(np.vstack([part.triangle for part in parts]), mode="r"))
    return Reduction(triangle, sum(part.rows for part in parts))
