"""Data that is read in batches and never as a whole: only what it is reduced to is kept."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Self

import numpy as np
import torch
from safetensors.numpy import load, save

from slope.data import Array, split_rows
from slope.engines.reduced import Pause, Reductions
from slope.engines.reduction import Reduction
from slope.reduced_rows import ReducedColumns
from slope.spec import TrainingSpec

Batches = Callable[[range], Iterable[tuple[Array, Array]]]
"""Reads these rows of the data in their order: x (n × D) and y (n), some rows at a time."""


@dataclass(frozen=True)
class ReducedPartition:
    """What some rows of the data were reduced to, as they came."""

    training: Reduction
    validation: Reduction
    lowest: Array
    """D numbers: the least value of each feature in the rows to train on; infinite where nobody asked."""
    highest: Array

    def __add__(self, other: "ReducedPartition") -> "ReducedPartition":
        """What the rows of both were reduced to."""
        return ReducedPartition(
            self.training + other.training,
            self.validation + other.validation,
            np.minimum(self.lowest, other.lowest),
            np.maximum(self.highest, other.highest),
        )

    @classmethod
    def of_columns(cls, columns: ReducedColumns) -> Self:
        """All rows of a dataset, from its triangle; none is held back."""
        triangle, rows = columns.whole.triangle, columns.whole.rows
        nothing = Reduction(np.zeros_like(triangle), 0)
        return cls(Reduction(triangle, rows), nothing, columns.lowest[:-1], columns.highest[:-1])

    @classmethod
    def decode(cls, document: bytes) -> Self:
        """As it was encoded."""
        found = load(document)
        training, (rows, held_back) = found["training"], found["rows"].tolist()
        validation = found.get("validation", np.zeros_like(training))
        return cls(Reduction(training, rows), Reduction(validation, held_back), found["lowest"], found["highest"])

    def encode(self) -> bytes:
        """As safetensors; without the triangle of rows to validate with, where there are none."""
        triangles = {"training": self.training.triangle}
        if self.validation.rows:
            triangles["validation"] = self.validation.triangle
        rows = {"rows": np.array([self.training.rows, self.validation.rows])}
        extremes = {"lowest": self.lowest, "highest": self.highest}
        return save({name: np.ascontiguousarray(values) for name, values in (triangles | rows | extremes).items()})

    def reductions(self, spec: TrainingSpec) -> Reductions:
        """What a job trains and validates on, standardized where it asks for that."""
        if not spec.standardize:
            return Reductions(self.training, self.validation)
        scaler = self.training.scaler(self.lowest, self.highest, spec)
        return Reductions(self.training.scaled(scaler), self.validation.scaled(scaler), scaler)


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
        """Some rows, in one pass over them, or in two where some are held back to validate with."""
        extremes = np.full((2, self._features), [[np.inf], [-np.inf]])
        training = self._chosen(rows, is_held_back=False)
        watched = _watched(training, extremes) if self._spec.standardize else training
        validation = () if self._held_back is None else self._chosen(rows, is_held_back=True)
        return ReducedPartition(self._reduction(watched, pause), self._reduction(validation, pause), *extremes)

    @cached_property
    def _held_back(self) -> np.ndarray | None:
        """Of each row whether it is one to validate with; None where none is."""
        if self._spec.validation_fraction == 0:
            return None
        _, validation = split_rows(self._rows, self._spec)
        chosen = np.zeros(self._rows, dtype=bool)
        chosen[validation] = True
        return chosen

    def _reduction(self, batches: Iterable[tuple[Array, Array]], pause: Pause) -> Reduction:
        return Reduction.of(batches, self._features, device=self._device, pause=pause)

    def _chosen(self, rows: range, *, is_held_back: bool) -> Iterator[tuple[Array, Array]]:
        """Those of the rows that are held back to validate with, or those that are not."""
        if self._held_back is None:
            yield from self._batches(rows)
            return
        start = rows.start
        for x, y in self._batches(rows):
            chosen = self._held_back[start : start + len(y)] == is_held_back
            start += len(y)
            yield x[chosen], y[chosen]


def join_partitions(partitions: Iterable[ReducedPartition]) -> ReducedPartition:
    """What all rows were reduced to. The bits depend on the order of the partitions, and on nothing else."""
    return reduce(add, partitions)


def _watched(batches: Iterable[tuple[Array, Array]], extremes: Array) -> Iterator[tuple[Array, Array]]:
    """The batches as they go by, while the extremes (2 × D) of x grow."""
    lowest, highest = extremes
    for x, y in batches:
        if len(y):
            np.minimum(lowest, x.min(axis=0), out=lowest)
            np.maximum(highest, x.max(axis=0), out=highest)
        yield x, y
