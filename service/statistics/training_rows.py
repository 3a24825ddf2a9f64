"""The rows that a job trained on, some at a time, and what stands for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from service.data import numbers
from service.data.numbers import Arrays, Kept
from service.data.triangles import reduced_columns, stands_for_rows
from service.errors import JobNotFinished, JobNotFound, RowsAreWeighted
from service.storage import Storage
from service.store import datasets, jobs
from service.store.tables import Dataset, Job
from slope.data import Array, Indices, split_rows
from slope.reduced_rows import ReducedColumns
from slope.spec import TrainingSpec


@dataclass(frozen=True)
class TrainingRows:
    """Those that a job did not hold back."""

    job_id: UUID
    dataset: Dataset
    """With its columns and its triangle."""
    kept: Kept
    """Where its numbers are."""
    features: list[str]
    target: str
    spec: TrainingSpec

    @classmethod
    def of(cls, session: Session, job: Job) -> Self:
        datasets.load_whole(session, job.dataset)
        return cls(job.id, job.dataset, Kept.of(job.dataset), job.features, job.target, job.training_spec)

    @property
    def numbers(self) -> int:
        """How many are read."""
        return self.dataset.rows * (len(self.features) + 1)

    @property
    def columns(self) -> ReducedColumns | None:
        """From the dataset's triangle, where that has one and none of its rows was held back."""
        return reduced_columns(self.dataset, self.features, self.target) if stands_for_rows(self.spec) else None

    def read(self, storage: Storage, *others: str) -> Iterator[tuple[Array, Indices]]:
        """The rows (n × columns) of the features, the target and others, and which rows of the dataset they are (n).

        Raises ObjectMissing and StorageUnavailable.
        """
        start = 0
        columns = [*self.features, self.target, *others]
        for part in numbers.read_columns(storage, self.kept, columns):
            places = np.arange(start, start + len(part))
            start += len(part)
            if self._is_trained_on is None:
                yield part, places
            else:
                chosen = self._is_trained_on[places]
                yield part[chosen], places[chosen]

    def whole(self, storage: Storage) -> Arrays:
        """All of them. Raises as `read` does."""
        matrix = np.concatenate([part for part, _ in self.read(storage)])
        return Arrays(matrix[:, :-1], matrix[:, -1])

    @cached_property
    def _is_trained_on(self) -> NDArray[np.bool_] | None:
        """Of each row of the dataset; None where all are."""
        training, _ = split_rows(self.dataset.rows, self.spec)
        if len(training) == self.dataset.rows:
            return None
        chosen = np.zeros(self.dataset.rows, bool)
        chosen[training] = True
        return chosen


def finished_job(session: Session, job_id: UUID) -> Job:
    """A job that has ended, in whichever way. Raises JobNotFound, JobNotFinished and RowsAreWeighted."""
    job = jobs.find_job(session, job_id)
    if job is None:
        raise JobNotFound(job_id)
    if not job.is_final:
        raise JobNotFinished(job.status)
    if job.row_weights:
        raise RowsAreWeighted(job.row_weights)
    return job
