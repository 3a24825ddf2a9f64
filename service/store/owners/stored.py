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


def take_off_stored(session: Session, owner: str, size: int, others: Collection[str]) -> None:
    """Count a dataset of an owner that is no more; these others, or the owner still, have its numbers."""
    gone = [each for each, is_gone in ((owner, owner not in others), (EVERYBODY, not others)) if is_gone]
    if gone and (counted := _counted(session, gone)):
        _STORED.take_off(session, [(each, size) for each in counted])


def _counted(session: Session, owners: Sequence[str]) -> list[str]:
    """Those of whom anything was counted, by one query. Where there are no quotas, of nobody."""
    row = session.execute(select(*(_STORED.is_counted(session, owner) for owner in owners))).one()
    return [owner for owner, is_counted in zip(owners, row, strict=True) if is_counted]


def _total(owner: str) -> ScalarSelect[Any]:
    objects = select(func.max(_DATASETS.c.size).label("size")).group_by(_DATASETS.c.object_id)
    if owner != EVERYBODY:
        objects = objects.where(_DATASETS.c.owner == owner)
    return select(func.sum(objects.subquery().c.size)).scalar_subquery()
