"""Data of a job that is too large to be in memory as a whole, and whose engine needs it only once."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from service.data import numbers
from service.storage import Storage
from service.store.tables import Job
from slope.data import TrainingData, unread_data
from slope.scaling import Scaler

if TYPE_CHECKING:
    from slope.engines.reduction.partitioned import PartitionedData
    from slope.engines.reduction.reduction import Batch


def stream_job_data(storage: Storage, job: Job, device: str) -> "PartitionedData":
    """Reads the job's columns from the storage, some rows at a time, and keeps what has the same squared error."""
    from slope.engines.reduction.partitioned import PartitionedData  # loads torch

    kept = numbers.Kept.of(job.dataset)

    def batches(rows: range) -> "Iterator[Batch]":
        for part in numbers.read_batches(storage, kept, job.features, job.target, job.row_weights, rows):
            yield part.x, part.y, part.weights

    return PartitionedData(batches, job.dataset.rows, len(job.features), job.training_spec, device)


def without_rows(job: Job) -> TrainingData:
    """What is known of such data beforehand: how many features it has, and what an earlier attempt scaled them by."""
    return unread_data(len(job.features), Scaler.of(job.scaler) if job.scaler else None)
