"""Data that is read in batches and never as a whole: only its reduction is kept."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch

from slope.data import Array, split
from slope.engines.reduced import Pause, Reductions
from slope.engines.reduction import Reduction
from slope.spec import TrainingSpec

Batches = Callable[[], Iterable[tuple[Array, Array]]]
"""Reads the data from its start: x (n × D) and y (n), some rows at a time."""


def reductions_of_batches(
    batches: Batches, rows: int, features: int, spec: TrainingSpec, device: torch.device | str = "cpu"
) -> Callable[[Pause], Reductions]:
    """Reduces data of so many rows in one pass, or in two where some of them are held back."""

    def reduce(pause: Pause) -> Reductions:
        held_back = _held_back(rows, spec) if spec.validation_fraction else None
        training = batches() if held_back is None else _chosen(batches(), ~held_back)
        validation = () if held_back is None else _chosen(batches(), held_back)
        parts = (Reduction.of(part, features, device=device, pause=pause) for part in (training, validation))
        return Reductions(*parts)

    return reduce


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
