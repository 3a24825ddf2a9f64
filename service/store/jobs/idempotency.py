"""Idempotency keys: one transaction at a time has one locked, and what was made with it is found by it.

Jobs and sweeps have keys of their own: the same key for both is two.
"""

from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.store.tables import Job, Sweep

Made = TypeVar("Made", Job, Sweep)
_SEEDS: dict[type[Job] | type[Sweep], int] = {Job: 0, Sweep: 1}
"""Of the hash by which a key is locked: equal keys of two namespaces are two locks."""


def lock_key(session: Session, kind: type[Job] | type[Sweep], key: str) -> bool:
    """Lock a key until the transaction ends. False when another transaction has it locked.

    SQLite has one writer at a time: whoever writes there has locked everything already.
    """
    if session.get_bind().dialect.name == "sqlite":
        return True
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(func.hashtextextended(key, _SEEDS[kind])))))


def made_with(session: Session, kind: type[Made], key: str) -> Made | None:
    """The job or the sweep that a request with the key made."""
    return session.scalars(select(kind).where(kind.idempotency_key == key)).one_or_none()
