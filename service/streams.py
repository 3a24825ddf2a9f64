"""Data of a job that is too large to be in memory as a whole, and whose engine needs it only once."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from service import datasets
from service.storage import Storage
from slope.data import Array, TrainingData
from slope.spec import TrainingSpec

if TYPE_CHECKING:
    from slope.engines.reduced import Pause, Reductions


def reductions(
    storage: Storage, dataset_id: UUID, rows: int, columns: tuple[Sequence[str], str], spec: TrainingSpec, device: str
) -> "Callable[[Pause], Reductions]":
    """Reads the features and the target that `columns` names in parts, and keeps what has the same squared error."""
    from slope.engines.streaming import reductions_of_batches  # loads torch

    features, target = columns

    def batches() -> Iterator[tuple[Array, Array]]:
        for part in datasets.batches(storage, dataset_id, features, target):
            yield part.x, part.y

    return reductions_of_batches(batches, rows, len(features), spec, device)


def without_rows(features: int) -> TrainingData:
    """What is known of such data beforehand: how many features there are."""
    x, y = np.empty((0, features)), np.empty(0)
    return TrainingData(x, y, np.arange(0), x, y)
