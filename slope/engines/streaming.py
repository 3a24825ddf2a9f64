"""Data that is read in batches and never as a whole: only its reduction is kept."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from operator import add

import numpy as np
import torch

from slope.data import Array, split
from slope.engines.reduced import Pause, Reductions
from slope.engines.reduction import Reduction
from slope.spec import TrainingSpec

Batches = Callable[[range], Iterable[tuple[Array, Array]]]
"""Reads these rows of the data in their order: x (n × D) and y (n), some rows at a time."""


class StreamedData:
    """`rows` rows of data, of which any range can be reduced by itself."""

    def __init__(
        self, batches: Batches, rows: int, features: int, spec: TrainingSpec, device: torch.device | str = "cpu"
    ) -> None:
        self._batches = batches
        self._features = features
        self._device = device
        self._held_back = _held_back(rows, spec) if spec.validation_fraction else None

    def reduce(self, rows: range, pause: Pause) -> Reductions:
        """Of some rows, in one pass over them, or in two where some are held back to validate with."""
        if self._held_back is None:
            return Reductions(self._reduction(self._batches(rows), pause), self._reduction((), pause))
        held_back = self._held_back[rows.start : rows.stop]
        training, validation = (_chosen(self._batches(rows), chosen) for chosen in (~held_back, held_back))
        return Reductions(self._reduction(training, pause), self._reduction(validation, pause))

    def _reduction(self, batches: Iterable[tuple[Array, Array]], pause: Pause) -> Reduction:
        return Reduction.of(batches, self._features, device=self._device, pause=pause)


def joined(partitions: Sequence[Reductions]) -> Reductions:
    """Those of all partitions' rows. The bits hang on the order of the partitions, and on nothing else."""
    return Reductions(
        reduce(add, (partition.training for partition in partitions)),
        reduce(add, (partition.validation for partition in partitions)),
    )


def _held_back(rows: int, spec: TrainingSpec) -> np.ndarray:
    """Of each row whether it is one to validate with."""
    _, validation = split(rows, spec)
    chosen = np.zeros(rows, dtype=bool)
    chosen[validation] = True
    return chosen


def _chosen(batches: Iterable[tuple[Array, Array]], rows: np.ndarray) -> Iterator[tuple[Array, Array]]:
    start = 0
    for x, y in batches:
        chosen = rows[start : start + len(y)]
        start += len(y)
        yield x[chosen], y[chosen]
