"""Datasets: what is known of them, and who uses them. Few numbers are in the row, others are objects of the storage."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session, defaultload, selectinload, undefer

from service.store.connections.locks import take_lock
from service.store.database import owner_of
from service.store.owners import stored
from service.store.tables import Dataset, Job

_INSERT = insert(Dataset.metadata.tables["datasets"])
"""Of the table, not the class: the ORM would take twice as long."""
_INLINE = (
    select(Dataset.id)
    .where(
        Dataset.content_hash == bindparam("content_hash"),
        Dataset.is_inline.is_(True),
        Dataset.owner == bindparam("owner"),
    )
    .limit(1)
    .with_for_update(read=True, key_share=True)
)
"""Built once: every job with data of its own asks for it."""
_ALL, _ALL_JOBS = Dataset.__table__, Job.__table__
"""Those of everybody: an object has the numbers of all datasets of its content."""
with_numbers = defaultload(Job.dataset).undefer(Dataset.numbers)
"""Reads with a job those of its dataset, where they are in its row."""
with_numbers_once = selectinload(Job.dataset).undefer(Dataset.numbers)
"""The same for jobs that have a dataset in common, by one more query."""


def find_dataset(session: Session, dataset_id: UUID, *, with_triangle: bool = False) -> Dataset | None:
    """With what is known of its columns, and its numbers where they are in its row."""
    known = [undefer(Dataset.columns), undefer(Dataset.numbers)]
    known += [undefer(Dataset.triangle)] if with_triangle else []
    return session.get(Dataset, dataset_id, options=known)


def find_named(session: Session, name: str, version: int | None) -> UUID | None:
    """The dataset of this name and version, or the newest of this name. A name is its owner's."""
    query = select(Dataset.id).where(Dataset.owner == owner_of(session), Dataset.name == name)
    if version is not None:
        query = query.where(Dataset.version == version)
    return session.scalar(query.order_by(Dataset.version.desc()).limit(1))


def next_version(session: Session, name: str | None, owner: str) -> int | None:
    """Of an owner's name, which nobody else gives a dataset until the transaction ends; None for no name."""
    if name is None:
        return None
    take_lock(session, int.from_bytes(sha256(f"{owner}/{name}".encode()).digest()[:8], signed=True))
    newest = select(func.max(Dataset.version)).where(Dataset.owner == owner, Dataset.name == name)
    return 1 + (session.scalar(newest) or 0)


def name_dataset(session: Session, dataset: Dataset, name: str | None) -> None:
    """Let a dataset have another name, of which it is its owner's newest version."""
    version = next_version(session, name, dataset.owner)
    session.execute(update(Dataset).where(Dataset.id == dataset.id).values(name=name, version=version))


def load_whole(session: Session, dataset: Dataset) -> None:
    """All that is known of a dataset that another query has found: its columns, its triangle, and its numbers if it
    has them in its row."""
    session.refresh(dataset, ["columns", "numbers", "triangle"])


def has_triangle(connection: Connection, dataset_id: UUID) -> bool:
    return bool(connection.scalar(select(Dataset.triangle.is_not(None)).where(Dataset.id == dataset_id)))


def keep_triangle(session: Session, dataset_id: UUID, triangle: bytes) -> None:
    """Keep one where there is none: jobs may have been planned by the one that there is."""
    without = (Dataset.id == dataset_id, Dataset.triangle.is_(None), ~Dataset.is_inline)
    session.execute(update(Dataset).where(*without).values(triangle=triangle))


def select_datasets(session: Session, *, name: str | None, before: UUID | None, limit: int) -> list[Dataset]:
    """At most `limit` datasets that somebody has uploaded, newest first, older than `before`."""
    query = select(Dataset).where(~Dataset.is_inline).options(undefer(Dataset.columns))
    if name is not None:
        query = query.where(Dataset.name == name)
    if before is not None:
        query = query.where(Dataset.id < before)
    return list(session.scalars(query.order_by(Dataset.id.desc()).limit(limit)))


def add_dataset(session: Session, values: dict[str, Any]) -> None:
    """Add a dataset, by column."""
    session.connection().execute(_INSERT, {"owner": owner_of(session)} | values)


def needs_no_object(connection: Connection, content_hash: str, owner: str) -> bool:
    """Whether a dataset of this content would share what there is: anybody's object, or the row of the owner's job."""
    shared = or_(_ALL.c.numbers.is_(None), and_(_ALL.c.owner == owner, _ALL.c.is_inline))
    return bool(connection.scalar(select(exists().where(_ALL.c.content_hash == content_hash, shared))))


def lock_dataset(session: Session, dataset_id: UUID) -> bool:
    """Let nobody delete a dataset until the transaction ends. False when it is not there."""
    return _lock(session, Dataset.id == dataset_id) is not None


class StoredObject(NamedTuple):
    """What has the numbers of a dataset, and how many bytes that is."""

    id: UUID
    size: int
    """It depends on how the first table of this content was sent, compressed or not."""


def lock_content(session: Session, content_hash: str) -> StoredObject | None:
    """The object of this content, if any. Until the transaction ends nobody else adds or removes a dataset of it.

    So no two objects of one content are made, and of two who remove its last datasets one sees that it is the last.
    """
    take_lock(session, int.from_bytes(bytes.fromhex(content_hash)[:8], signed=True))
    in_object = (_ALL.c.content_hash == content_hash, _ALL.c.numbers.is_(None))
    row = session.execute(select(_ALL.c.object_id, _ALL.c.size).where(*in_object).limit(1)).one_or_none()
    return StoredObject(*row) if row else None


def lock_inline(session: Session, content_hash: str) -> UUID | None:
    """The owner's dataset of this content that came with a job, which nobody can delete until the transaction ends."""
    return session.connection().scalar(_INLINE, {"content_hash": content_hash, "owner": owner_of(session)})


def select_named(session: Session, content_hash: str, name: str | None) -> list[Dataset]:
    """The owner's datasets of this content that were uploaded under this name, or without one."""
    own = (Dataset.owner == owner_of(session), ~Dataset.is_inline)
    query = select(Dataset).where(Dataset.content_hash == content_hash, *own)
    named = query.where(Dataset.name.is_not_distinct_from(name)).options(undefer(Dataset.columns))
    return list(session.scalars(named.order_by(Dataset.id)))


def describe_dataset(session: Session, dataset_id: UUID, values: dict[str, Any]) -> None:
    """Let a dataset that came with a job be one that was uploaded: it stays when the job goes."""
    session.execute(update(Dataset).where(Dataset.id == dataset_id).values(values | {"is_inline": False}))


def forget_content(session: Session, job_id: UUID) -> None:
    """Of the rows that came with a job, and that somebody has damaged: who sends the same again has new ones."""
    of_job = select(_ALL_JOBS.c.dataset_id).where(_ALL_JOBS.c.id == job_id).scalar_subquery()
    session.execute(update(Dataset).where(Dataset.id == of_job, Dataset.is_inline).values(content_hash=""))


@dataclass(frozen=True)
class Removed:
    """A dataset that is no more."""

    orphan: UUID | None
    """The object that had its numbers, where there was one and no other dataset has its numbers there."""
    freed: list[tuple[str, int]]
    """Who has less now, and by how many bytes."""


def remove_dataset(session: Session, dataset_id: UUID) -> Removed | None:
    """Delete a dataset that no job refers to."""
    return next(iter(_remove_all_unused(session, [dataset_id])), None)


def remove_inline(session: Session, dataset_ids: Collection[UUID]) -> list[Removed]:
    """Delete those of some datasets that came with jobs and that no job refers to any more."""
    return _remove_all_unused(session, dataset_ids, Dataset.is_inline.is_(True))


def unused_inline(session: Session, before: datetime) -> list[UUID]:
    """Datasets that came with jobs, before a moment, and that no job refers to any more."""
    query = select(Dataset.id).where(Dataset.is_inline, Dataset.created_at < before, is_unused())
    return list(session.scalars(query))


def named_objects(session: Session, among: Sequence[UUID]) -> set[UUID]:
    """Those of some objects that a dataset has its numbers in."""
    return set(session.scalars(select(_ALL.c.object_id).where(_ALL.c.object_id.in_(among)).distinct()))


def _lock(session: Session, *conditions: ColumnElement[bool]) -> UUID | None:
    query = select(Dataset.id).where(*conditions).limit(1)
    return session.scalar(query.with_for_update(read=True, key_share=True))


def _remove_all_unused(
    session: Session, dataset_ids: Collection[UUID], *conditions: ColumnElement[bool]
) -> list[Removed]:
    """In one order, so that no two transactions wait for each other."""
    tried = [_remove_unused(session, Dataset.id == dataset_id, *conditions) for dataset_id in sorted(dataset_ids)]
    removed = [each for each in tried if each]
    stored.take_off_stored(session, [freed for each in removed for freed in each.freed])
    return removed


def _remove_unused(session: Session, *conditions: ColumnElement[bool]) -> Removed | None:
    content_hash = session.scalar(select(Dataset.content_hash).where(*conditions))
    if content_hash is None:
        return None
    lock_content(session, content_hash)
    session.execute(select(Dataset.id).where(*conditions).with_for_update())  # wait for who holds it
    gone = delete(Dataset).where(*conditions, is_unused())
    told = (Dataset.object_id, Dataset.numbers.is_(None).label("had_object"), Dataset.owner, Dataset.size)
    row = session.execute(gone.returning(*told)).one_or_none()
    if row is None:
        return None
    left = stored.owners_of_object(session, row.object_id) if row.had_object else set[str]()
    orphan = row.object_id if row.had_object and not left else None
    return Removed(orphan, stored.freed_bytes(row.owner, row.size, left))


def is_unused() -> ColumnElement[bool]:
    return ~exists().where(_ALL_JOBS.c.dataset_id == Dataset.id)
