"""Data that is read in batches and never as a whole: only what it is reduced to is kept."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Self

import numpy as np
import torch
from safetensors.numpy import load, save

from slope.arrays import Array
from slope.data import NoRowCounts
from slope.engines.reduction.reduced import Pause, Reductions
from slope.engines.reduction.reduction import Batch, Reduction
from slope.reduced_rows import ReducedColumns
from slope.spec import TrainingSpec
from slope.splits import divide_rows

Batches = Callable[[range], Iterable[Batch]]
"""Reads these rows of the data in their order, some at a time."""

_PARTS = ("training", "validation", "test")
_TRAINING, _VALIDATION, _TEST = range(3)


@dataclass(frozen=True)
class ReducedPartition:
    """What some rows of the data were reduced to, as they came."""

    training: Reduction
    validation: Reduction
    test: Reduction
    lowest: Array
    """D numbers: the least value of each feature in the rows to train on; infinite where nobody asked."""
    highest: Array

    def __add__(self, other: "ReducedPartition") -> "ReducedPartition":
        """What the rows of both were reduced to."""
        return ReducedPartition(
            self.training + other.training,
            self.validation + other.validation,
            self.test + other.test,
            np.minimum(self.lowest, other.lowest),
            np.maximum(self.highest, other.highest),
        )

    @classmethod
    def of_columns(cls, columns: ReducedColumns) -> Self:
        """All rows of a dataset, from its triangle; none is held back."""
        triangle, rows = columns.whole.triangle, columns.whole.rows
        nothing = Reduction.of_nothing(columns.whole.features)
        return cls(Reduction(triangle, rows), nothing, nothing, columns.lowest[:-1], columns.highest[:-1])

    @classmethod
    def decode(cls, document: bytes) -> Self:
        """As it was encoded."""
        found = load(document)
        counts = [*found["rows"].tolist(), 0]  # an earlier version knew of no rows to test with
        nothing = np.zeros_like(found["training"])
        training, validation, test = (
            Reduction(found.get(name, nothing), count) for name, count in zip(_PARTS, counts, strict=False)
        )
        return cls(training, validation, test, found["lowest"], found["highest"])

    def encode(self) -> bytes:
        """As safetensors; without the triangles of rows that there are none of."""
        parts = {"training": self.training, "validation": self.validation, "test": self.test}
        triangles = {name: part.triangle for name, part in parts.items() if part.rows or name == "training"}
        rows = {"rows": np.array([part.rows for part in parts.values()])}
        extremes = {"lowest": self.lowest, "highest": self.highest}
        return save({name: np.ascontiguousarray(values) for name, values in (triangles | rows | extremes).items()})

    def reductions(self, spec: TrainingSpec) -> Reductions:
        """What a job trains and validates on, standardized where it asks for that."""
        if self.training.rows and not self.training.triangle[0, 0]:  # of the ones: their weights
            raise NoRowCounts
        training, validation, test = self.training.evened, self.validation.evened, self.test.evened
        if not spec.standardize:
            return Reductions(training, validation, test)
        scaler = training.scaler(self.lowest, self.highest, spec)
        return Reductions(training.scaled(scaler), validation.scaled(scaler), test.scaled(scaler), scaler)


class PartitionedData:
    """`rows` rows of data, of which any range can be reduced by itself."""

    def __init__(
        self, batches: Batches, rows: int, features: int, spec: TrainingSpec, device: torch.device | str = "cpu"
    ) -> None:
        self._batches = batches
        self._features = features
        self._device = device
        self._rows = rows
        self._spec = spec

    def reduce(self, rows: range, pause: Pause) -> ReducedPartition:
        """Some rows, in one pass over them, and in one more for each kind of rows that are held back."""
        extremes = np.full((2, self._features), [[np.inf], [-np.inf]])
        training = self._chosen(rows, _TRAINING)
        watched = _watched(training, extremes) if self._spec.standardize else training
        validation = self._chosen(rows, _VALIDATION) if self._spec.validates else ()
        test = self._chosen(rows, _TEST) if self._spec.tests else ()
        reduced = [self._reduction(part, pause) for part in (watched, validation, test)]
        return ReducedPartition(reduced[0], reduced[1], reduced[2], *extremes)

    @cached_property
    def _kinds(self) -> np.ndarray | None:
        """Of each row what it is for; None where all are trained on."""
        if not self._spec.holds_back:
            return None
        kinds = np.full(self._rows, _TRAINING, np.int8)
        _, validation, test = divide_rows(self._rows, self._spec)
        kinds[validation], kinds[test] = _VALIDATION, _TEST
        return kinds

    def _reduction(self, batches: Iterable[Batch], pause: Pause) -> Reduction:
        return Reduction.of(batches, self._features, device=self._device, pause=pause)

    def _chosen(self, rows: range, kind: int) -> Iterator[Batch]:
        """Those of the rows that are for one thing."""
        if self._kinds is None:
            yield from self._batches(rows)
            return
        start = rows.start
        for x, y, *rest in self._batches(rows):
            chosen = self._kinds[start : start + len(y)] == kind
            start += len(y)
            weights = rest[0] if rest else None
            yield x[chosen], y[chosen], None if weights is None else weights[chosen]


def join_partitions(partitions: Iterable[ReducedPartition]) -> ReducedPartition:
    """What all rows were reduced to. The bits depend on the order of the partitions, and on nothing else."""
    return reduce(add, partitions)


def _watched(batches: Iterable[Batch], extremes: Array) -> Iterator[Batch]:
    """The batches as they go by, while the extremes (2 × D) of x grow by the rows that count."""
    lowest, highest = extremes
    for batch in batches:
        x, _, *rest = batch
        counted = x if not rest or rest[0] is None else x[rest[0] > 0]
        if len(counted):
            np.minimum(lowest, counted.min(axis=0), out=lowest)
            np.maximum(highest, counted.max(axis=0), out=highest)
        yield batch
