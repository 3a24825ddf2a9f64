"""What a job learns from: the rows of its request, or columns of a stored dataset, checked against the rest of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

import numpy as np
from pydantic import ValidationError
from sqlalchemy.orm import Session

from service.data import datasets, numbers
from service.data.byte_quotas import NO_BOUND, Room
from service.data.new_datasets import NewDataset, inline_dataset
from service.data.numbers import MOST_READ, Arrays
from service.data.triangles import reduced_columns
from service.errors import InvalidRequest, ObjectMissing
from service.storage import Storage
from service.store import datasets as stored
from service.store.database import Database
from service.store.tables import Dataset
from slope.analysis import Spread, precision_warnings, spreads_of
from slope.data import NoRowCounts, TrainingData, prepare
from slope.engines.costs import LITTLE_NUMBERS
from slope.reduced_rows import ReducedColumns
from slope.spec import DatasetReference, Fault, InlineData, JobRequest, TrainingSpec, faults_of, invalid
from slope.spec.job import refuse_misfits
from slope.spec.part import infinite_from
from slope.tabular.summary import Summary, summarize

Seen = TrainingData | ReducedColumns
"""The rows to train on, or what stands for them."""


@dataclass(frozen=True)
class Sample:
    """Named columns of this many rows."""

    rows: int
    features: list[str]
    target: str
    load: Callable[[], Arrays | None]
    spreads: list[Spread]
    """Of the features, and of the target as the last."""
    dataset_id: UUID | None = None
    """None where the rows came with the request."""
    columns: ReducedColumns | None = None
    """From the dataset's triangle, if it has one, and all rows count alike."""
    weights: str | None = None
    """Name of the column that says how much each row counts; None where they count alike."""

    @cached_property
    def arrays(self) -> Arrays | None:
        """Read when they are first asked for; None where they are too many for that."""
        return self.load()

    @property
    def _names(self) -> list[str]:
        return [*self.features, self.target, *([self.weights] if self.weights else [])]

    @property
    def numbers(self) -> int:
        return self.rows * (len(self.features) + 1)

    def reduced_for(self, spec: TrainingSpec) -> ReducedColumns | None:
        """What stands for the rows that a job trains on, if anything does."""
        return None if spec.holds_back else self.columns

    def analysed_columns(self, spec: TrainingSpec, *, reads_rows: bool) -> ReducedColumns | None:
        """The same for an analysis: a few rows are read, and where it may, those that bound the rate of each row."""
        is_by_row = reads_rows and spec.batch_size == 1 and self.numbers <= MOST_READ
        return None if is_by_row or self.numbers <= LITTLE_NUMBERS else self.reduced_for(spec)

    def seen(self, columns: ReducedColumns | None, spec: TrainingSpec) -> Seen | None:
        """What a job trains on: what stands for its rows, if that is to do, or else those that can be read now.

        Raises InvalidRequest where none of them counts.
        """
        if columns:
            return columns
        try:
            return None if self.arrays is None else prepare(self.arrays.x, self.arrays.y, spec, self.arrays.weights)
        except NoRowCounts as error:
            raise InvalidRequest(str(error), [Fault(str(error), "/dataset/weights")]) from error

    def warnings(self, spec: TrainingSpec) -> list[str]:
        """What is lost of the columns in the dtype of a job."""
        return precision_warnings(spec, self.spreads[:-1], self.spreads[-1])

    def new_dataset(self, storage: Storage, room: Room = NO_BOUND) -> NewDataset | None:
        """The request's rows as a new dataset; None where they are of a stored one."""
        if self.dataset_id is not None or self.arrays is None:
            return None
        return inline_dataset(storage, self.arrays, room, self._names, self._summary)

    @cached_property
    def _summary(self) -> Summary:
        """Of rows that came with the request."""
        assert self.arrays
        return summarize(self._names, self.arrays.columns)

    def lock_dataset(self, session: Session, new: NewDataset | None) -> UUID:
        """The dataset, which nobody can delete until the transaction ends. Raises InvalidRequest when it is gone."""
        if new:
            return new.adopt(session)
        if self.dataset_id is None or not stored.lock_dataset(session, self.dataset_id):  # it was there a moment ago
            detail = f"There is no dataset {self.dataset_id}"
            raise InvalidRequest(detail, [Fault(detail, "/dataset/id")])
        return self.dataset_id


def sample_for_job(database: Database, storage: Storage, request: JobRequest) -> Sample:
    """Raises InvalidRequest where a request does not fit the dataset it names."""
    if isinstance(request.dataset, InlineData):
        arrays = Arrays.of(request.dataset)
        *features, target = request.dataset.names
        spreads = spreads_of(np.column_stack([arrays.x, arrays.y]), [*features, target])
        weights = request.dataset.name_of_weights
        return Sample(len(arrays.y), features, target, lambda: arrays, spreads, weights=weights)
    with translated_faults(request):
        return _stored(database, storage, request, request.dataset)


def _dataset(database: Database, reference: DatasetReference) -> Dataset:
    with database.reading() as session:
        return datasets.find_stored(session, reference)


def _stored(database: Database, storage: Storage, request: JobRequest, reference: DatasetReference) -> Sample:
    dataset = _dataset(database, reference)
    features, target = _chosen(reference, dataset)
    _refuse_weights(reference, dataset, features, target)
    refuse_misfits(request, dataset.rows, len(features))
    _refuse_overflow(dataset, [*features, target], request.hyperparameters.dtype)
    columns = None if reference.weights else reduced_columns(dataset, features, target)

    def load() -> Arrays | None:
        if dataset.rows * (len(features) + 1) > MOST_READ:
            return None
        try:
            return numbers.load_columns(
                storage, numbers.Kept.of(dataset), dataset.rows, features, target, reference.weights
            )
        except ObjectMissing:
            with translated_faults(request):
                _dataset(database, reference)  # another may have deleted it meanwhile
            raise

    spreads = _spreads(dataset, [*features, target])
    return Sample(dataset.rows, features, target, load, spreads, dataset.id, columns, reference.weights)


def _refuse_weights(reference: DatasetReference, dataset: Dataset, features: Sequence[str], target: str) -> None:
    """Refuse a column that cannot say how much rows count."""
    name, extremes = reference.weights, {column["name"]: (column["min"], column["max"]) for column in dataset.columns}
    if name is None:
        return
    if name not in extremes:
        raise invalid(("dataset", "weights"), datasets.no_such_column(dataset, name))
    if name in (*features, target):
        raise invalid(("dataset", "weights"), f"The column {name} is a feature or the target: it cannot weigh the rows")
    lowest, highest = extremes[name]
    if lowest is None or lowest < 0:
        raise invalid(("dataset", "weights"), f"The column {name} has numbers below 0: a weight is 0 or more")
    if not highest:
        raise invalid(("dataset", "weights"), f"The column {name} is 0 in every row: no row would count")


def _spreads(dataset: Dataset, names: Sequence[str]) -> list[Spread]:
    """From what was found when the dataset was read in."""
    largest = datasets.largest_numbers(dataset)
    deviations = {column["name"]: column["deviation"] or 0.0 for column in dataset.columns}
    return [Spread(name, largest[name], deviations[name]) for name in names]


def _chosen(reference: DatasetReference, dataset: Dataset) -> tuple[list[str], str]:
    """The names of x and of y: y is the last column, and x all others, where the request does not say."""
    columns = [column["name"] for column in dataset.columns]
    target = columns[-1] if reference.target is None else reference.target
    if target not in columns:
        raise invalid(("dataset", "target"), datasets.no_such_column(dataset, target))
    others = (target, reference.weights)
    features = [name for name in columns if name not in others] if reference.features is None else reference.features
    known, before = set(columns), {target}
    for index, name in enumerate(features):
        if name not in known:
            raise invalid(("dataset", "features", index), datasets.no_such_column(dataset, name))
        if name in before:
            raise invalid(("dataset", "features", index), "The column is the target, or named twice")
        before.add(name)
    if not features:
        raise invalid(("dataset",), "There is no column to learn from besides the target")
    return features, target


def _refuse_overflow(dataset: Dataset, names: Sequence[str], dtype: str) -> None:
    largest, limit = datasets.largest_numbers(dataset), infinite_from(dtype)
    for name in names:
        if largest[name] >= limit:
            detail = f"The column {name} of the dataset has numbers too large for {dtype}; use dtype float64"
            raise invalid(("hyperparameters", "dtype"), detail)


@contextmanager
def translated_faults(request: JobRequest, detail: str = "The request does not fit its dataset") -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        faults = faults_of(error.errors(), request.model_dump())
        raise InvalidRequest(detail, faults) from error
