"""Datasets: what is known of them, and who uses them. Their numbers are objects of the storage."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, undefer

from service.store.tables import Dataset, Job

_ADDING = int.from_bytes(b"datasets")
"""The lock on PostgreSQL of who adds a dataset within a quota; on SQLite there is one writer anyway."""


def find_dataset(session: Session, dataset_id: UUID) -> Dataset | None:
    """With what is known of its columns."""
    return session.get(Dataset, dataset_id, options=[undefer(Dataset.columns)])


def select_datasets(session: Session, *, name: str | None, before: UUID | None, limit: int) -> list[Dataset]:
    """At most `limit` datasets that somebody has uploaded, newest first, older than `before`."""
    query = select(Dataset).where(~Dataset.is_inline).options(undefer(Dataset.columns))
    if name is not None:
        query = query.where(Dataset.name == name)
    if before is not None:
        query = query.where(Dataset.id < before)
    return list(session.scalars(query.order_by(Dataset.id.desc()).limit(limit)))


def add_dataset(session: Session, values: dict[str, Any]) -> bool:
    """Add a dataset, by column. False when there is one of the same content."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    adding = insert(Dataset).values(values).on_conflict_do_nothing(index_elements=[Dataset.content_hash])
    return session.scalar(adding.returning(Dataset.id)) is not None


def with_content(connection: Connection, content_hash: str) -> UUID | None:
    return connection.scalar(select(Dataset.id).where(Dataset.content_hash == content_hash))


def stored_bytes(session: Session) -> int:
    """What all datasets take in the storage. Nobody else who asks can add one until the transaction ends."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_ADDING)))
    return session.scalar(select(func.coalesce(func.sum(Dataset.size), 0))) or 0


def lock_dataset(session: Session, dataset_id: UUID) -> bool:
    """Let nobody delete a dataset until the transaction ends. False when it is not there."""
    return _lock(session, Dataset.id == dataset_id) is not None


def lock_content(session: Session, content_hash: str) -> UUID | None:
    """The dataset of this content, which nobody can delete until the transaction ends."""
    return _lock(session, Dataset.content_hash == content_hash)


def publish(session: Session, dataset_id: UUID, name: str | None) -> None:
    """Let a dataset that came with a job be one that was uploaded: it stays when the job goes."""
    values: dict[str, Any] = {"is_inline": False} | ({} if name is None else {"name": name})
    session.execute(update(Dataset).where(Dataset.id == dataset_id, Dataset.is_inline).values(values))


def remove_dataset(session: Session, dataset_id: UUID) -> bool:
    """Delete a dataset that no job refers to."""
    return _remove_unused(session, Dataset.id == dataset_id)


def remove_inline(session: Session, dataset_id: UUID) -> bool:
    """Delete a dataset that came with a job and that no job refers to any more."""
    return _remove_unused(session, Dataset.id == dataset_id, Dataset.is_inline.is_(True))


def unused_inline(session: Session, before: datetime) -> list[UUID]:
    """Datasets that came with jobs, before a moment, and that no job refers to any more."""
    query = select(Dataset.id).where(Dataset.is_inline, Dataset.created_at < before, _unused())
    return list(session.scalars(query))


def existing(session: Session, among: Sequence[UUID]) -> set[UUID]:
    return set(session.scalars(select(Dataset.id).where(Dataset.id.in_(among))))


def _lock(session: Session, condition: ColumnElement[bool]) -> UUID | None:
    return session.scalar(select(Dataset.id).where(condition).with_for_update(read=True, key_share=True))


def _remove_unused(session: Session, *conditions: ColumnElement[bool]) -> bool:
    session.execute(select(Dataset.id).where(*conditions).with_for_update())  # wait for who has it locked
    gone = session.execute(delete(Dataset).where(*conditions, _unused()).returning(Dataset.id))
    return gone.scalar_one_or_none() is not None


def _unused() -> ColumnElement[bool]:
    return ~exists().where(Job.dataset_id == Dataset.id)
