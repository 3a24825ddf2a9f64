"""Predictions for a whole dataset, and what they leave of its target: some rows at a time, however many there are."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Annotated
from uuid import UUID

import numpy as np

from service.data import numbers
from service.data.datasets import find_stored, largest_numbers, no_such_column
from service.errors import InvalidRequest
from service.jobs import jobs
from service.prediction import trained_models
from service.storage import Storage
from service.store.database import Database
from service.store.tables import Dataset, Job
from slope.arrays import Array
from slope.fit import Fit
from slope.spec import Fault
from slope.spec.data import StoredDataset
from slope.spec.names import counted, listed, shortened
from slope.spec.part import FewFaults, infinite_from
from slope.statistics.intervals import Intervals
from slope.tabular.left_out import reason_left_out
from slope.trained import TrainedModel

_MOST_NAMED = 20
"""Categories that are named."""
_ROWS_AT_ONCE = 10_000


class DatasetToPredict(StoredDataset):
    """A stored dataset, and which of its columns are what."""

    features: Annotated[list[str], FewFaults] | None = None
    """Names of the columns that are x, in the order of the job's features; the columns of their names by default."""
    target: str | None = None
    """Name of the column that is y; the job's own by default, if the dataset has it."""


@dataclass(frozen=True)
class Scored:
    """Some rows, the first of which is row `start` of the dataset: predictions, and the target where it is there."""

    start: int
    before: Array
    after: Array
    y: Array | None
    bounds: tuple[Array, Array] | None = None
    """The lower and the upper ones, where intervals were asked for."""

    @property
    def residuals(self) -> Array | None:
        """y − ŷ, of the predictions after training."""
        with np.errstate(over="ignore", invalid="ignore"):
            return None if self.y is None else self.y - self.after


class Scoring:
    """Predictions before training and after it, or after an epoch, for the rows of a dataset. To be read once."""

    def __init__(
        self,
        before: TrainedModel,
        after: TrainedModel,
        parts: Iterator[Array],
        *,
        has_target: bool,
        intervals: Intervals | None = None,
    ) -> None:
        """Each part holds rows of the features, and of the target behind them if there is one."""
        self._before, self._after = before, after
        self._parts = parts
        self._intervals = intervals
        self.has_target = has_target
        self.rows = 0
        """How many have been read."""
        self.fits = {"before": Fit(), "after": Fit()}
        """Of the rows that have been read, if there is a target."""

    def __iter__(self) -> Iterator[Scored]:
        for part in self._parts:
            for start in range(0, len(part), _ROWS_AT_ONCE):
                yield self._score(part[start : start + _ROWS_AT_ONCE])

    @property
    def nothing(self) -> Scored:
        """No rows, in the shape that they will have."""
        none = np.empty(0)
        bounds = (none, none) if self._intervals else None
        return Scored(0, none, none, none if self.has_target else None, bounds)

    def _score(self, part: Array) -> Scored:
        x = part[:, :-1] if self.has_target else part
        y = part[:, -1].copy() if self.has_target else None
        bounds = self._intervals.bounds(x) if self._intervals else None
        scored = Scored(self.rows, self._before.predict(x), self._after.predict(x), y, bounds)
        self.rows += len(part)
        if y is not None:
            self.fits["before"].add(y, scored.before)
            self.fits["after"].add(y, scored.after)
        return scored


def score_dataset(
    database: Database,
    storage: Storage,
    job_id: UUID,
    reference: DatasetToPredict,
    epoch: int | None,
    intervals: Intervals | None = None,
) -> Scoring:
    """Features default to the job's own, the target to the job's if the dataset has it.

    Raises JobHasNoModel, EpochNotFound, InvalidRequest, ObjectMissing and StorageUnavailable before it returns.
    """
    with database.reading() as session:
        job = jobs.get_job(session, job_id)
        before, after = (
            trained_models.untrained_model(job),
            trained_models.trained_model(session, storage, job_id, epoch),
        )
        dataset = find_stored(session, reference)
        features, target = _chosen(job, dataset, reference)
        _refuse_overflow(dataset, features, after.dtype_of_x)
        absent, kept = _absent(features, dataset), numbers.Kept.of(dataset)
    there = [name for name in features if name not in absent]
    read = [*there, *([target] if target is not None else [])]
    parts = numbers.read_columns(storage, kept, read)
    parts = _with_zeros(parts, [index for index, name in enumerate(features) if name in absent])
    first = next(parts, None)  # what is wrong with the storage shows now
    parts = parts if first is None else chain([first], parts)
    return Scoring(before, after, parts, has_target=target is not None, intervals=intervals)


def _chosen(job: Job, dataset: Dataset, reference: DatasetToPredict) -> tuple[list[str], str | None]:
    columns = {column["name"] for column in dataset.columns}
    features = job.features if reference.features is None else reference.features
    absent = _absent(features, dataset)
    if reference.features is None:
        _refuse_unseen(job, dataset)
    for index, name in enumerate(features):
        if name not in columns and name not in absent:
            at = "/dataset" if reference.features is None else f"/dataset/features/{index}"
            reason = reason_left_out(name, dataset.notes)
            raise _at(at, f"The dataset has no column {shortened(name)}" + (f". {reason}" if reason else ""))
    if len(features) != len(job.features):
        learnt = counted(len(job.features), "feature")
        raise _at("/dataset/features", f"It names {counted(len(features), 'column')}, the model has {learnt}")
    if reference.target is None:
        return features, job.target if job.target in columns and job.target not in features else None
    if reference.target not in columns:
        raise _at("/dataset/target", no_such_column(dataset, reference.target))
    return features, reference.target


def _absent(features: list[str], dataset: Dataset) -> set[str]:
    """Categories that no row of the dataset has, while it has others of their column."""
    names = {column["name"] for column in dataset.columns}
    here = {_column_of(column["name"]) for column in dataset.columns if column["type"] == "category"}
    return {name for name in features if name not in names and "=" in name and _column_of(name) in here}


def _refuse_unseen(job: Job, dataset: Dataset) -> None:
    """Raise InvalidRequest for categories that the job's own data has not, of columns that it learnt from.

    One that the job left out on purpose, to compare the others with it, is among its data.
    """
    split = {_column_of(name) for name in job.features if "=" in name}
    seen = {column["name"] for column in job.dataset.columns} | set(job.features)
    here = [column["name"] for column in dataset.columns if column["type"] == "category"]
    unseen = [name for name in here if _column_of(name) in split and name not in seen]
    if unseen:
        known = [name for name in sorted(seen) if "=" in name and _column_of(name) in split]
        what, instead = listed(unseen, _MOST_NAMED), listed(known, _MOST_NAMED)
        detail = f"The dataset has categories that the job has not seen: {what}. It knows {instead}"
        raise _at("/dataset", f"{detail}: leave the rows of others out")


def _column_of(category: str) -> str:
    return category.partition("=")[0]


def _with_zeros(parts: Iterator[Array], indices: list[int]) -> Iterator[Array]:
    """With columns of zeros inserted, which then have these indices."""
    before = [index - earlier for earlier, index in enumerate(indices)]
    return (np.insert(part, before, 0.0, axis=1) for part in parts) if indices else parts


def _refuse_overflow(dataset: Dataset, features: list[str], dtype: str) -> None:
    largest, limit = largest_numbers(dataset), infinite_from(dtype)
    for name in features:
        if largest.get(name, 0.0) >= limit:  # a category that is absent is 0
            raise _at("/dataset", f"The column {name} has numbers too large for a model of {dtype}")


def _at(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(detail, [Fault(detail, pointer)])
