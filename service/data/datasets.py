"""Datasets: keeping their numbers, reading them back, and forgetting them.

`load_job_data` gives a job's numbers as a whole, `read_batches` any dataset's numbers in parts of bounded memory.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
import structlog
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from service.errors import DatasetIsUsed, DatasetNotFound, QuotaReached, ServiceError
from service.storage import Storage
from service.store import datasets
from service.store.database import Database, before_commit, now
from service.store.tables import Dataset, Job, object_name
from slope.data import Array
from slope.spec import InlineData
from slope.spec.data import Matrix, Vector
from slope.tabular.summary import Summary, summarize

_PIECE = 20_000
"""Rows that become an array in one go."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Arrays:
    """x is N × D, y is N; both float64."""

    x: Array
    y: Array

    @classmethod
    def of(cls, data: InlineData) -> "Arrays":
        return cls(_array(data.x).reshape(data.rows, -1), _array(data.y))

    @property
    def columns(self) -> list[Array]:
        """Those of x, and y as the last."""
        return [*np.ascontiguousarray(self.x.T), self.y]


def _array(rows: Vector | Matrix) -> Array:
    """Piece by piece, so that other threads have their turn: ten million numbers take NumPy half a second."""
    return np.concatenate([np.array(rows[start : start + _PIECE], float) for start in range(0, len(rows), _PIECE)])


class NewDataset:
    """A table that becomes a dataset, unless there is one of the same content.

    Its object is in the storage before any row names it: whatever happens in between, no row is without numbers.
    """

    def __init__(
        self, storage: Storage, summary: Summary, content: bytes | Path, *, name: str | None, is_inline: bool
    ) -> None:
        self._storage = storage
        self._summary = summary
        self._content = content
        self._name = name
        self._is_inline = is_inline
        self._id = uuid7()
        self._size = len(content) if isinstance(content, bytes) else content.stat().st_size
        self._is_put = self._may_be_named = False
        self.quota: int | None = None
        """Bytes that all datasets may have in the storage."""

    @property
    def id(self) -> UUID:
        """What the dataset is called if it is new."""
        return self._id

    @property
    def content_hash(self) -> str:
        return self._summary.content_hash

    @property
    def notes(self) -> Sequence[str]:
        return self._summary.notes

    def put(self) -> None:
        """Let the object be in the storage."""
        if not self._is_put:
            self._storage.put(object_name(self._id), self._content)
            self._is_put = True

    def discard(self) -> None:
        """Take the object away, if no row can name it."""
        if self._is_put and not self._may_be_named:
            delete_numbers(self._storage, self._id)
            self._is_put = False

    def adopt(self, session: Session) -> UUID:
        """The dataset of this content, new or not, which nobody can delete until the transaction ends."""
        while (held := datasets.lock_content(session, self._summary.content_hash)) is None:
            self._refuse_beyond_quota(session)
            self.put()  # it may have been known a moment ago, and deleted since
            if datasets.add_dataset(session, self._row(session)):
                before_commit(session, self._note_commit)
                return self._id
        if not self._is_inline:
            datasets.publish(session, held, self._name)
        return held

    def _refuse_beyond_quota(self, session: Session) -> None:
        if self.quota is not None and datasets.stored_bytes(session) + self._size > self.quota:
            raise QuotaReached(self._size, self.quota)

    def _note_commit(self) -> None:
        self._may_be_named = True  # and stays so when it fails: the answer to a commit can be lost

    def _row(self, session: Session) -> dict[str, object]:
        return {
            "id": self._id,
            "created_at": now(session),
            "name": self._name,
            "is_inline": self._is_inline,
            "rows": self._summary.rows,
            "columns": [asdict(column) for column in self._summary.columns],
            "content_hash": self._summary.content_hash,
            "size": self._size,
            "notes": list(self._summary.notes),
        }


@contextmanager
def offered(
    database: Database, candidate: NewDataset | None, *, quota: int | None = None
) -> Iterator[NewDataset | None]:
    """Put a candidate's object, unless its content is known, and take it away if the block commits no row for it.

    It is adopted only where all datasets together stay within the quota, in bytes of the storage.
    """
    if candidate is None:
        yield None
        return
    candidate.quota = quota
    is_known = database.glance(datasets.with_content, candidate.content_hash) is not None
    try:
        if not is_known:
            candidate.put()
        yield candidate
    finally:
        candidate.discard()


def inline_dataset(storage: Storage, arrays: Arrays) -> NewDataset:
    """The rows of a request as a dataset to be."""
    from slope.tabular.stored import encode

    names, columns = [*inline_features(arrays.x.shape[1]), INLINE_TARGET], arrays.columns
    return NewDataset(storage, summarize(names, columns), encode(names, columns), name=None, is_inline=True)


INLINE_TARGET = "y"


def inline_features(width: int) -> list[str]:
    """What the columns of x are called where they came without names."""
    return ["x"] if width == 1 else [f"x{number}" for number in range(width)]


def load_columns(
    storage: Storage,
    dataset_id: UUID,
    rows: int,
    features: Sequence[str],
    target: str,
    pause: Callable[[], None] = lambda: None,
) -> Arrays:
    """Named columns of a dataset of so many rows. Raises StorageUnavailable, ObjectMissing, MemoryError.

    `pause` is called before every part of them, and may raise as well.
    """
    x, y = np.empty((rows, len(features))), np.empty(rows)
    start = 0
    pause()
    for part in read_batches(storage, dataset_id, features, target):
        pause()
        end = start + len(part.y)
        x[start:end], y[start:end] = part.x, part.y
        start = end
    return Arrays(x, y)


def load_job_data(storage: Storage, job: Job, pause: Callable[[], None] = lambda: None) -> Arrays:
    """All that a job learns from. Raises as `load_columns` does."""
    return load_columns(storage, job.dataset_id, job.dataset.rows, job.features, job.target, pause)


def read_batches(
    storage: Storage, dataset_id: UUID, features: Sequence[str], target: str, rows: range | None = None
) -> Iterator[Arrays]:
    """Named columns of a dataset or of some of its rows, a few at a time. Raises StorageUnavailable, ObjectMissing."""
    for matrix in read_columns(storage, dataset_id, [*features, target], rows):
        yield Arrays(matrix[:, :-1], matrix[:, -1])


def read_columns(
    storage: Storage, dataset_id: UUID, columns: Sequence[str], rows: range | None = None
) -> Iterator[Array]:
    """Named columns of a dataset, some rows (n × columns, float64) at a time. Raises as `read_batches` does."""
    from slope.tabular import stored

    with storage.open(object_name(dataset_id)) as file:
        yield from stored.read(file, columns, rows)


def row_ranges(storage: Storage, dataset_id: UUID, count: int) -> list[range]:
    """The rows of a dataset in at most `count` ranges that are read separately.

    Raises as `read_batches` does.
    """
    from slope.tabular import stored

    with storage.open(object_name(dataset_id)) as file:
        return stored.partitions(file, count)


def get_dataset(session: Session, dataset_id: UUID) -> Dataset:
    dataset = datasets.find_dataset(session, dataset_id)
    if dataset is None:
        raise DatasetNotFound(dataset_id)
    return dataset


def list_datasets(
    session: Session, *, name: str | None, before: UUID | None, limit: int
) -> tuple[list[Dataset], UUID | None]:
    """Uploaded datasets newest first, and where the next page goes on."""
    found = datasets.select_datasets(session, name=name, before=before, limit=limit + 1)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


MOST_NUMBERS_ON_A_PAGE = 1_000_000
"""About 20 MB; a page has at least one row."""


def list_rows(
    storage: Storage, dataset: Dataset, *, after: int, limit: int
) -> tuple[list[dict[str, float]], int | None]:
    """Rows ascending, by column, and the row after which the next page begins. Raises as `read_batches` does."""
    from slope.tabular import stored

    names, start = [column["name"] for column in dataset.columns], after + 1
    count = min(limit, max(1, MOST_NUMBERS_ON_A_PAGE // len(names)), dataset.rows - start)
    if count <= 0:
        return [], None
    with storage.open(dataset.object_name) as file:
        matrix = stored.read_rows(file, names, range(start, start + count))
    end = start + count
    return [dict(zip(names, row, strict=True)) for row in matrix.tolist()], end - 1 if end < dataset.rows else None


def delete_dataset(database: Database, storage: Storage, dataset_id: UUID) -> None:
    """Delete a dataset with its numbers. Raises DatasetIsUsed while a job refers to it."""
    with database.writing() as session:
        if not datasets.remove_dataset(session, dataset_id):
            get_dataset(session, dataset_id)  # another may have deleted it
            raise DatasetIsUsed
        session.commit()
    delete_numbers(storage, dataset_id)


def delete_numbers(storage: Storage, dataset_id: UUID) -> None:
    """Delete the numbers of a dataset that is no more; what cannot be deleted now, a sweep finds later."""
    try:
        storage.delete(object_name(dataset_id))
    except ServiceError as error:
        log.warning("an object stays until the next sweep", dataset_id=str(dataset_id), error=str(error))
