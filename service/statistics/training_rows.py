"""The rows that a job trained on, some at a time, and what stands for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from service.data import numbers
from service.data.numbers import Arrays, Kept
from service.data.triangles import reduced_columns
from service.errors import JobNotFinished, JobNotFound
from service.storage import Storage
from service.store import datasets
from service.store.jobs import jobs
from service.store.tables import Dataset, Job
from slope.arrays import Array, Indices
from slope.reduced_rows import ReducedColumns
from slope.spec import TrainingSpec
from slope.splits import split_rows


class Part(NamedTuple):
    """Some of the rows (n)."""

    columns: Array
    """n × K."""
    places: Indices
    """Which rows of the dataset they are (n)."""
    weights: Array | None
    """How much each counts, more than 0 (n); None where they count alike."""


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
    weights: str | None
    """The column that says how much rows count; None where they count alike."""

    @classmethod
    def of(cls, session: Session, job: Job) -> Self:
        datasets.load_whole(session, job.dataset)
        kept = Kept.of(job.dataset)
        return cls(job.id, job.dataset, kept, job.features, job.target, job.training_spec, job.row_weights)

    @property
    def numbers(self) -> int:
        """How many are read."""
        return self.dataset.rows * (len(self.features) + 1 + bool(self.weights))

    @property
    def columns(self) -> ReducedColumns | None:
        """From the dataset's triangle, where that has one, none of its rows was held back, and all count alike."""
        if self.weights or self.spec.holds_back:
            return None
        return reduced_columns(self.dataset, self.features, self.target)

    def read(self, storage: Storage, *others: str) -> Iterator[Part]:
        """Those that count for something: the features, the target and others. Raises ObjectMissing and
        StorageUnavailable."""
        start = 0
        columns = [*self.features, self.target, *others, *([self.weights] if self.weights else [])]
        for part in numbers.read_columns(storage, self.kept, columns):
            places = np.arange(start, start + len(part))
            start += len(part)
            if (counts := self._counts(part, places)) is not None:
                part, places = part[counts], places[counts]
            yield Part(part[:, :-1], places, part[:, -1]) if self.weights else Part(part, places, None)

    def whole(self, storage: Storage) -> Arrays:
        """All of them. Raises as `read` does."""
        parts = list(self.read(storage))
        matrix = np.concatenate([part.columns for part in parts])
        weights = [part.weights for part in parts if part.weights is not None]
        return Arrays(matrix[:, :-1], matrix[:, -1], np.concatenate(weights) if weights else None)

    def _counts(self, part: Array, places: Indices) -> NDArray[np.bool_] | None:
        """Of each row whether it is trained on with a weight above 0; None where all are."""
        chosen = None if self._is_trained_on is None else self._is_trained_on[places]
        if self.weights is None:
            return chosen
        has_weight = part[:, -1] > 0
        return has_weight if chosen is None else has_weight & chosen

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
    """A job that has ended, in whichever way. Raises JobNotFound and JobNotFinished."""
    job = jobs.find_job(session, job_id)
    if job is None:
        raise JobNotFound(job_id)
    if not job.is_final:
        raise JobNotFinished(job.status)
    return job
