"""The numbers of datasets: read as a whole, in batches of bounded memory, and deleted.

Few of them that came with a job are in the dataset's row, written with the job's by one transaction. Others are objects
of the storage.

`load_job_data` gives a job's numbers as a whole, `read_batches` any dataset's numbers in parts.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self
from uuid import UUID

import numpy as np
import structlog

from service.errors import ServiceError
from service.settings import Settings
from service.storage import Storage
from service.store.database import Database
from service.store.datasets import Removed
from service.store.holds import are_objects_held
from service.store.tables import Dataset, Job
from slope.analysis import analysis_seconds
from slope.arrays import Array
from slope.spec import InlineData
from slope.spec.data import Matrix, Vector

_PIECE = 20_000
"""Rows that become an array in one go."""
MOST_READ = 10_000_000
"""A stored dataset of more numbers is not read when a job is submitted, only when it is trained on."""
MOST_IN_ROW = 1_000
"""This many numbers that come with a job are kept in SQL: a file, and its way to the disk, cost more than they do."""

log = structlog.get_logger()


def object_name(object_id: UUID) -> str:
    """What an object with the numbers of datasets is called in the storage."""
    return f"{object_id}.parquet"


class Kept(NamedTuple):
    """Where the numbers of a dataset are."""

    object_id: UUID
    by_column: dict[str, list[float]] | None
    """Those that are in the dataset's row; None where the object has them."""

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        return cls(dataset.object_id, dataset.numbers)


@dataclass(frozen=True)
class Arrays:
    """x is N × D, y is N; both float64."""

    x: Array
    y: Array
    weights: Array | None = None
    """Of the rows (N); None where they count alike."""

    @classmethod
    def of(cls, data: InlineData) -> "Arrays":
        weights = None if data.weights is None else _array(data.weights)
        return cls(_array(data.x).reshape(data.rows, -1), _array(data.y), weights)

    @property
    def columns(self) -> list[Array]:
        """Those of x, then y, and the weights if there are any."""
        return [*np.ascontiguousarray(self.x.T), self.y, *([] if self.weights is None else [self.weights])]


def _array(rows: Vector | Matrix) -> Array:
    """Piece by piece, so that other threads have their turn: ten million numbers take NumPy half a second."""
    return np.concatenate([np.array(rows[start : start + _PIECE], float) for start in range(0, len(rows), _PIECE)])


def analysis_is_late(rows: int, features: int, settings: Settings) -> bool:
    """Whether the worker makes the analysis of a job: it takes too long for an answer, but not altogether."""
    is_read, seconds = rows * (features + 1) <= MOST_READ, analysis_seconds(rows, features)
    return is_read and settings.analysis_seconds < seconds <= settings.worker_analysis_seconds


def load_columns(
    storage: Storage,
    kept: Kept,
    rows: int,
    features: Sequence[str],
    target: str,
    weights: str | None = None,
    pause: Callable[[], None] = lambda: None,
) -> Arrays:
    """Named columns of a dataset of this many rows. Raises StorageUnavailable, ObjectMissing, MemoryError.

    `pause` is called before every part of them, and may raise as well.
    """
    whole = Arrays(np.empty((rows, len(features))), np.empty(rows), np.empty(rows) if weights else None)
    start = 0
    pause()
    for part in read_batches(storage, kept, features, target, weights):
        pause()
        end = start + len(part.y)
        whole.x[start:end], whole.y[start:end] = part.x, part.y
        if whole.weights is not None and part.weights is not None:
            whole.weights[start:end] = part.weights
        start = end
    return whole


def load_job_data(storage: Storage, job: Job, pause: Callable[[], None] = lambda: None) -> Arrays:
    """All that a job learns from. Raises as `load_columns` does."""
    kept = Kept.of(job.dataset)
    return load_columns(storage, kept, job.dataset.rows, job.features, job.target, job.row_weights, pause)


def read_batches(
    storage: Storage,
    kept: Kept,
    features: Sequence[str],
    target: str,
    weights: str | None = None,
    rows: range | None = None,
) -> Iterator[Arrays]:
    """Named columns of a dataset or of some of its rows, a few at a time. Raises StorageUnavailable, ObjectMissing."""
    names, count = [*features, target, *([weights] if weights else [])], len(features)
    for matrix in read_columns(storage, kept, names, rows):
        yield Arrays(matrix[:, :count], matrix[:, count], matrix[:, -1] if weights else None)


def read_columns(storage: Storage, kept: Kept, columns: Sequence[str], rows: range | None = None) -> Iterator[Array]:
    """Named columns of a dataset, some rows (n × columns, float64) at a time. Raises as `read_batches` does."""
    if kept.by_column is not None:
        yield _matrix(kept.by_column, columns, rows)
        return
    from slope.tabular import stored

    with storage.open(object_name(kept.object_id)) as file:
        yield from stored.read(file, columns, rows)


def read_rows(storage: Storage, kept: Kept, columns: Sequence[str], rows: range) -> Array:
    """These rows of a dataset as a whole, as many of them as it has. Raises as `read_batches` does."""
    if kept.by_column is not None:
        return _matrix(kept.by_column, columns, rows)
    from slope.tabular import stored

    with storage.open(object_name(kept.object_id)) as file:
        return stored.read_rows(file, columns, rows)


def read_chosen_rows(storage: Storage, kept: Kept, columns: Sequence[str], chosen: Sequence[int]) -> Array:
    """Rows of a dataset by number, ascending; all are read, a few at a time. Raises as `read_batches` does."""
    wanted, found, first = np.array(chosen, dtype=np.int64), [np.empty((0, len(columns)))], 0
    for matrix in read_columns(storage, kept, columns):
        inside = wanted[(wanted >= first) & (wanted < first + len(matrix))]
        found.append(matrix[inside - first])
        first += len(matrix)
    return np.concatenate(found)


def row_ranges(storage: Storage, kept: Kept, count: int) -> list[range]:
    """The rows of a dataset in at most `count` ranges that are read separately.

    Raises as `read_batches` does.
    """
    if kept.by_column is not None:
        return [range(len(next(iter(kept.by_column.values()))))]
    from slope.tabular import stored

    with storage.open(object_name(kept.object_id)) as file:
        return stored.partitions(file, count)


def _matrix(by_column: dict[str, list[float]], columns: Sequence[str], rows: range | None) -> Array:
    """Column by column in memory, as stored tables are read."""
    window = slice(None) if rows is None else slice(rows.start, rows.stop)
    return np.array([by_column[name][window] for name in columns], float).T


def prepare_storage(storage: Storage) -> None:
    """Load what reads and writes objects, and have a place for them. Raises StorageUnavailable."""
    import slope.tabular.stored  # noqa: F401

    storage.check()


def release_numbers(database: Database, storage: Storage, removed: Removed) -> None:
    """Delete the object of a dataset that is no more, unless another shares it. While a backup is made, it stays."""
    if removed.orphan:
        delete_numbers(storage, removed.orphan, unless=lambda: database.query(are_objects_held))


def delete_numbers(storage: Storage, object_id: UUID, unless: Callable[[], bool] = lambda: False) -> None:
    """Delete an object that no dataset names; what cannot be deleted now is deleted as garbage later."""
    try:
        if not unless():
            storage.delete(object_name(object_id))
    except ServiceError as error:
        log.warning("an object could not be deleted: it goes as garbage", object_id=str(object_id), error=str(error))
