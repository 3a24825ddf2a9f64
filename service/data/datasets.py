"""Datasets: adding, listing and deleting them. Their numbers are read in service.data.numbers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from service.data.numbers import (
    MOST_IN_ROW,
    Arrays,
    Kept,
    delete_numbers,
    object_name,
    read_chosen_rows,
    read_rows,
    release_numbers,
)
from service.errors import DatasetCameWithJob, DatasetIsUsed, DatasetNotFound, InvalidRequest, QuotaReached
from service.storage import Storage
from service.store import datasets
from service.store.database import Database, before_commit, now
from service.store.tables import Dataset
from slope.data import Array, sample_rows
from slope.spec.data import DEFAULT_TARGET, StoredDataset, default_features
from slope.spec.faults import Fault
from slope.tabular.summary import Summary, summarize


class NewDataset:
    """A table that becomes a dataset, unless there is one that says the same of the same content.

    Few numbers are in its row. Otherwise its object is in the storage before any row names it: whatever happens in
    between, no row is without numbers. Where there is an object of the same content, the dataset shares it.
    """

    def __init__(
        self,
        storage: Storage,
        summary: Summary,
        content: Callable[[], bytes] | Path | dict[str, list[float]],
        *,
        name: str | None,
        is_inline: bool,
        quota: int | None = None,
    ) -> None:
        """`content` is what its object has, made only where it is needed, or what its row has, by column.

        `quota` is how many bytes all datasets together may take.
        """
        self._storage = storage
        self._summary = summary
        self._given = content
        self._name = name
        self._is_inline = is_inline
        self._id = uuid7()
        self._in_row = content if isinstance(content, dict) else None
        if isinstance(content, Path):
            self._size = content.stat().st_size  # now: the file is used up when it is put
        elif self._in_row is not None:
            self._size = 8 * summary.rows * len(self._in_row)
        self._quota = quota
        self._is_put = self._may_be_named = False

    @property
    def id(self) -> UUID:
        """What the dataset is called if it is new."""
        return self._id

    @property
    def content_hash(self) -> str:
        return self._summary.content_hash

    @property
    def has_object(self) -> bool:
        """Whether its numbers are not in its row."""
        return self._in_row is None

    @cached_property
    def _content(self) -> bytes | Path:
        assert not isinstance(self._given, dict)
        return self._given if isinstance(self._given, Path) else self._given()

    @cached_property
    def _size(self) -> int:
        assert isinstance(self._content, bytes)  # the others are known from the start
        return len(self._content)

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
        """The dataset of this table, new or not, which nobody can delete until the transaction ends."""
        if self._is_inline and (known := datasets.lock_inline(session, self.content_hash)):
            return known  # by one query: most jobs that bring their data bring what is there
        if self.has_object:
            return self._adopt_content(session)
        self._refuse_beyond_quota(session)
        datasets.add_dataset(session, self._row(session, self._id))  # two of the same moment are two: no lock is needed
        return self._id

    def _adopt_content(self, session: Session) -> UUID:
        """The same, where the dataset has an object."""
        object_id = datasets.lock_content(session, self.content_hash)
        if known := self._known(session):
            return known
        if object_id is None:
            self._refuse_beyond_quota(session)
            self.put()  # it may have been known a moment ago, and deleted since
            before_commit(session, self._note_commit)
        datasets.add_dataset(session, self._row(session, object_id or self._id))
        return self._id

    def _known(self, session: Session) -> UUID | None:
        """A dataset that says the same of the same content; one that came with a job says what the upload says."""
        if not self._is_inline:
            for dataset in datasets.select_named(session, self.content_hash, self._name):
                if self._is_described_alike(dataset) and datasets.lock_dataset(session, dataset.id):
                    return dataset.id
        inline = datasets.lock_inline(session, self.content_hash)
        if inline is not None and not self._is_inline:
            datasets.describe_dataset(session, inline, self._described(session))
        return inline

    def _is_described_alike(self, dataset: Dataset) -> bool:
        """Whether a dataset has the same notes, types and nulls."""
        own, theirs = (
            [(each["name"], each["type"], each["nulls"]) for each in columns]
            for columns in (self._description["columns"], dataset.columns)
        )
        return own == theirs and self._description["notes"] == dataset.notes

    def _refuse_beyond_quota(self, session: Session) -> None:
        if self._quota is not None and datasets.stored_bytes(session) + self._size > self._quota:
            raise QuotaReached(self._size, self._quota)

    def _note_commit(self) -> None:
        self._may_be_named = True  # and stays so when it fails: the answer to a commit can be lost

    @cached_property
    def _description(self) -> dict[str, Any]:
        """What is known of the table, besides its numbers."""
        columns = [asdict(column) for column in self._summary.columns]
        triangle = self._summary.triangle and self._summary.triangle.encode()
        return {"name": self._name, "columns": columns, "notes": list(self._summary.notes), "triangle": triangle}

    def _described(self, session: Session) -> dict[str, Any]:
        return self._description | {"version": datasets.next_version(session, self._name)}

    def _row(self, session: Session, object_id: UUID) -> dict[str, Any]:
        return self._described(session) | {
            "id": self._id,
            "created_at": now(session),
            "is_inline": self._is_inline,
            "rows": self._summary.rows,
            "content_hash": self._summary.content_hash,
            "object_id": object_id,
            "numbers": self._in_row,
            "size": self._size,
        }


@contextmanager
def ensure_stored(database: Database, new: NewDataset | None) -> Iterator[None]:
    """Put a table's object, unless its content is known, and delete it again if the block commits no row for it."""
    if new is None:
        yield
        return
    try:
        if new.has_object and database.query(datasets.with_content, new.content_hash) is None:
            new.put()
        yield
    finally:
        new.discard()


def inline_dataset(
    storage: Storage,
    arrays: Arrays,
    quota: int | None = None,
    names: Sequence[str] | None = None,
    summary: Summary | None = None,
) -> NewDataset:
    """The rows of a request as a new dataset, with the names of their columns, the target's the last."""
    names, columns = names or [*default_features(arrays.x.shape[1]), DEFAULT_TARGET], arrays.columns
    content = _in_row(names, columns) if len(names) * len(arrays.y) <= MOST_IN_ROW else _encoded(names, columns)
    known = summary or summarize(names, columns)
    return NewDataset(storage, known, content, name=None, is_inline=True, quota=quota)


def _in_row(names: Sequence[str], columns: Sequence[Array]) -> dict[str, list[float]]:
    return dict(zip(names, (values.tolist() for values in columns), strict=True))


def _encoded(names: Sequence[str], columns: Sequence[Array]) -> Callable[[], bytes]:
    from slope.tabular.stored import encode

    return partial(encode, names, columns)


def get_dataset(session: Session, dataset_id: UUID) -> Dataset:
    dataset = datasets.find_dataset(session, dataset_id)
    if dataset is None:
        raise DatasetNotFound(dataset_id)
    return dataset


def find_stored(session: Session, wanted: StoredDataset) -> Dataset:
    """The dataset that a request names, with its triangle. Raises InvalidRequest at what is wrong below `/dataset`."""
    dataset_id = wanted.id or _named(session, wanted.name or "", wanted.version)
    dataset = datasets.find_dataset(session, dataset_id, with_triangle=True)
    if dataset is None:
        raise _refused("id", f"There is no dataset {dataset_id}")
    return dataset


def _named(session: Session, name: str, version: int | None) -> UUID:
    if found := datasets.find_named(session, name, version):
        return found
    if version is not None and datasets.find_named(session, name, None):
        raise _refused("version", f"The dataset {name} has no version {version}: GET /v1/datasets?name= lists them")
    raise _refused("name", f"There is no dataset of the name {name}: GET /v1/datasets lists all")


def _refused(member: str, detail: str) -> InvalidRequest:
    return InvalidRequest(detail, [Fault(detail, f"/dataset/{member}")])


def rename_dataset(database: Database, dataset_id: UUID, name: str | None) -> Dataset:
    """Let a dataset have another name, of which it is the newest version; its own name changes nothing."""
    with database.writing() as session:
        dataset = get_dataset(session, dataset_id)
        if dataset.is_inline:
            raise DatasetCameWithJob
        if dataset.name != name:
            datasets.name_dataset(session, dataset_id, name)
            session.commit()
    with database.reading() as session:
        return get_dataset(session, dataset_id)


def largest_numbers(dataset: Dataset) -> dict[str, float]:
    """Of each column, by its name and without a sign."""
    return {column["name"]: max(abs(column["min"] or 0.0), abs(column["max"] or 0.0)) for column in dataset.columns}


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
    names, start = [column["name"] for column in dataset.columns], after + 1
    count = min(limit, max(1, MOST_NUMBERS_ON_A_PAGE // len(names)), dataset.rows - start)
    if count <= 0:
        return [], None
    matrix = read_rows(storage, Kept.of(dataset), names, range(start, start + count))
    end = start + count
    return [dict(zip(names, row, strict=True)) for row in matrix.tolist()], end - 1 if end < dataset.rows else None


def sample_of_rows(
    storage: Storage, dataset: Dataset, *, count: int, seed: int
) -> tuple[list[dict[str, float]], list[int]]:
    """Rows chosen by chance, ascending, by column, and their numbers. Raises as `read_batches` does."""
    names = [column["name"] for column in dataset.columns]
    chosen = sample_rows(dataset.rows, min(count, max(1, MOST_NUMBERS_ON_A_PAGE // len(names))), seed)
    matrix = read_chosen_rows(storage, Kept.of(dataset), names, chosen)
    return [dict(zip(names, row, strict=True)) for row in matrix.tolist()], chosen


def delete_dataset(database: Database, storage: Storage, dataset_id: UUID) -> None:
    """Delete a dataset with its numbers. Raises DatasetIsUsed while a job refers to it."""
    with database.writing() as session:
        removed = datasets.remove_dataset(session, dataset_id)
        if removed is None:
            get_dataset(session, dataset_id)  # another may have deleted it
            raise DatasetIsUsed
        session.commit()
    release_numbers(storage, removed)
