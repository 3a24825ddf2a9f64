"""Tables that become datasets: their numbers are kept first, and then a row names them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cached_property, partial, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from service.data.byte_quotas import NO_BOUND, Room, take_room
from service.data.damage import damage_of_dataset
from service.data.numbers import (
    MOST_IN_ROW,
    Arrays,
    delete_numbers,
    object_name,
)
from service.storage import Storage
from service.store import datasets
from service.store.database import Database, before_commit, now, owner_of
from service.store.datasets import StoredObject
from service.store.owners import usage
from service.store.tables import Dataset
from slope.arrays import Array
from slope.spec.data import DEFAULT_TARGET, default_features
from slope.tabular.summary import Summary, summarize

Arguments = ParamSpec("Arguments")
Found = TypeVar("Found")


class ContentGone(Exception):
    """What a dataset would have shared was there a moment ago, and has been deleted since."""


def again_when_gone(act: Callable[Arguments, Found]) -> Callable[Arguments, Found]:
    """Do it anew where content has gone: an object is put, which may take minutes, before anything is locked."""

    @wraps(act)
    def act_again(*arguments: Arguments.args, **named: Arguments.kwargs) -> Found:
        while True:
            with suppress(ContentGone):
                return act(*arguments, **named)

    return act_again


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
        room: Room = NO_BOUND,
    ) -> None:
        """`content` is what its object has, made only where it is needed, or what its row has, by column."""
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
        self._room = room
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
        """The dataset of this table, new or not, which nobody can delete until the transaction ends.

        Raises ContentGone, OwnerBytesReached and QuotaReached.
        """
        if self._room.of_owner is not None:
            usage.lock_owners(session, [owner_of(session)])  # before the content: jobs lock in this order, too
        if self._is_inline and (known := datasets.lock_inline(session, self.content_hash)):
            return known  # by one query: most jobs that bring their data bring what is there
        if self.has_object:
            return self._adopt_content(session)
        take_room(session, self._room, self._own)
        datasets.add_dataset(
            session, self._row(session, self._own)
        )  # two of the same moment are two: no lock is needed
        return self._id

    def _adopt_content(self, session: Session) -> UUID:
        """The same, where the dataset has an object."""
        shared = datasets.lock_content(session, self.content_hash)
        if known := self._known(session):
            return known
        if shared is None and not self._is_put:
            raise ContentGone
        take_room(session, self._room, shared or self._own, is_shared=shared is not None)
        if shared is None:
            before_commit(session, self._note_commit)
        datasets.add_dataset(session, self._row(session, shared or self._own))
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
        """Whether a dataset has the same notes, types and nulls, and nobody has damaged them."""
        if damage_of_dataset(dataset):
            return False
        own, theirs = (
            [(each["name"], each["type"], each["nulls"]) for each in columns]
            for columns in (self._description["columns"], dataset.columns)
        )
        return own == theirs and self._description["notes"] == dataset.notes

    @property
    def _own(self) -> StoredObject:
        """Where its numbers are, unless it shares an object: in its row, if they are few."""
        return StoredObject(self._id, self._size)

    def _note_commit(self) -> None:
        self._may_be_named = True  # and stays so when it fails: the answer to a commit can be lost

    @cached_property
    def _description(self) -> dict[str, Any]:
        """What is known of the table, besides its numbers."""
        columns = [asdict(column) for column in self._summary.columns]
        triangle = self._summary.triangle and self._summary.triangle.encode()
        return {"name": self._name, "columns": columns, "notes": list(self._summary.notes), "triangle": triangle}

    def _described(self, session: Session) -> dict[str, Any]:
        return self._description | {"version": datasets.next_version(session, self._name, owner_of(session))}

    def _row(self, session: Session, kept: StoredObject) -> dict[str, Any]:
        """Its size is that of the object, however large its own would be: who adds it up and takes it off says so."""
        return self._described(session) | {
            "id": self._id,
            "created_at": now(session),
            "is_inline": self._is_inline,
            "rows": self._summary.rows,
            "content_hash": self._summary.content_hash,
            "object_id": kept.id,
            "numbers": self._in_row,
            "size": kept.size,
        }


@contextmanager
def ensure_stored(database: Database, new: NewDataset | None) -> Iterator[None]:
    """Put a table's object, unless it would share what there is, and delete it if the block commits no row for it."""
    if new is None:
        yield
        return
    try:
        if new.has_object and not database.query(datasets.needs_no_object, new.content_hash, database.owner):
            new.put()
        yield
    finally:
        new.discard()


def inline_dataset(
    storage: Storage,
    arrays: Arrays,
    room: Room = NO_BOUND,
    names: Sequence[str] | None = None,
    summary: Summary | None = None,
) -> NewDataset:
    """The rows of a request as a new dataset, with the names of their columns, the target's the last."""
    names, columns = names or [*default_features(arrays.x.shape[1]), DEFAULT_TARGET], arrays.columns
    content = _in_row(names, columns) if len(names) * len(arrays.y) <= MOST_IN_ROW else _encoded(names, columns)
    known = summary or summarize(names, columns)
    return NewDataset(storage, known, content, name=None, is_inline=True, room=room)


def _in_row(names: Sequence[str], columns: Sequence[Array]) -> dict[str, list[float]]:
    return dict(zip(names, (values.tolist() for values in columns), strict=True))


def _encoded(names: Sequence[str], columns: Sequence[Array]) -> Callable[[], bytes]:
    from slope.tabular.stored import encode

    return partial(encode, names, columns)
