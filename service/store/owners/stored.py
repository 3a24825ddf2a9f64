"""Bytes that datasets take, those of jobs too: of each owner, and of everybody together.

Datasets of one content share an object: it counts once for each owner, and once for everybody.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, func, select
from sqlalchemy.orm import Session

from service.store.connections.locks import take_lock
from service.store.owners.sums import Sum, Sums
from service.store.tables import Dataset, StoredUsage

EVERYBODY = "*"
"""In the place of an owner. No owner is called so."""
_ADDING = int.from_bytes(b"datasets")
"""The lock on PostgreSQL of who adds a dataset within a quota of everybody."""
_DATASETS = Dataset.__table__
_STORED = Sums(StoredUsage.__table__, "bytes")


def lock_everybody(session: Session) -> None:
    """Until the transaction ends nobody else adds a dataset within the quota of all."""
    take_lock(session, _ADDING)


def stored_bytes(session: Session, owner: str) -> Sum:
    """What the datasets of an owner, or of everybody, take. For whoever has locked the owner, or everybody."""
    return _STORED.read(session, owner, _total(owner))


def keep_stored(session: Session, owner: str, known: Sum, added: int) -> None:
    _STORED.keep(session, owner, known, added)


def has_object(session: Session, owner: str, object_id: UUID) -> bool:
    """Whether a dataset of the owner has its numbers in the object."""
    named = select(_DATASETS.c.id).where(_DATASETS.c.object_id == object_id, _DATASETS.c.owner == owner)
    return session.scalar(named.limit(1)) is not None


def owners_of_object(session: Session, object_id: UUID) -> set[str]:
    """Whose datasets have their numbers in the object."""
    return set(session.scalars(select(_DATASETS.c.owner).where(_DATASETS.c.object_id == object_id).distinct()))


def freed_bytes(owner: str, size: int, others: Collection[str]) -> list[tuple[str, int]]:
    """Who has less when a dataset of an owner is no more; these others, or the owner still, have its numbers."""
    return [(each, size) for each, is_gone in ((owner, owner not in others), (EVERYBODY, not others)) if is_gone]


def take_off_stored(session: Session, freed: Sequence[tuple[str, int]]) -> None:
    """Count what datasets took that are no more: once for all those of a transaction."""
    owners = {owner for owner, _ in freed}
    counted = _STORED.counted_among(session, owners) if owners else set()
    _STORED.take_off(session, [(owner, size) for owner, size in freed if owner in counted])


def _total(owner: str) -> ScalarSelect[Any]:
    objects = select(func.max(_DATASETS.c.size).label("size")).group_by(_DATASETS.c.object_id)
    if owner != EVERYBODY:
        objects = objects.where(_DATASETS.c.owner == owner)
    return select(func.sum(objects.subquery().c.size)).scalar_subquery()
