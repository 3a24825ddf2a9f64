"""Keys, and the log of what was done with them."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, exists, false, func, insert, or_, select, update
from sqlalchemy.orm import Session

from service.store.connections.locks import take_lock
from service.store.database import later, now
from service.store.tables import AccessKey, AuditEntry

_USE_SECONDS = 60.0
"""The moment of a use is kept about this often."""


class KnownKey(NamedTuple):
    """What is to be known of a key when somebody shows it."""

    id: str
    owner: str
    scope: str
    digest: bytes
    is_revoked: bool
    has_expired: bool
    use_is_old: bool
    """Whether the moment of its last use is to be kept anew."""


def add_key(session: Session, key: AccessKey) -> None:
    session.add(key)
    session.flush()


def lock_name(session: Session, name: str) -> None:
    """Until the transaction ends nobody else makes, rotates or revokes a key of this name."""
    take_lock(session, int.from_bytes(sha256(f"key {name}".encode()).digest()[:8], signed=True))


def find_key(session: Session, key_id: str, *, lock: bool = False) -> AccessKey | None:
    """With `lock` nobody else changes it until the transaction ends."""
    found = session.get(AccessKey, key_id)
    if found and lock:
        lock_name(session, found.name)
        session.refresh(found)
    return found


def find_known_key(connection: Connection, key_id: str) -> KnownKey | None:
    """By one small query: whoever shows a key waits for it."""
    moment = later(connection, 0.0)
    told = (
        *(AccessKey.id, AccessKey.owner, AccessKey.scope, AccessKey.digest),
        AccessKey.revoked_at.is_not(None),
        func.coalesce(AccessKey.expires_at <= moment, false()),
        or_(AccessKey.used_at.is_(None), AccessKey.used_at < later(connection, -_USE_SECONDS)),
    )
    row = connection.execute(select(*told).where(AccessKey.id == key_id)).one_or_none()
    return None if row is None else KnownKey._make(row)


def find_named_key(session: Session, name: str) -> AccessKey | None:
    """The valid key of a name that was not replaced, or, where there is none, the newest."""
    named = select(AccessKey).where(AccessKey.name == name)
    newest = named.order_by(_is_current(now(session)).desc(), AccessKey.created_at.desc(), AccessKey.id)
    return session.scalar(newest.limit(1))


def find_keys_named(session: Session, name: str, *, with_ended: bool = False) -> list[AccessKey]:
    """Those of a name that let in: one that was rotated does for a while. And, where they are wanted, all before."""
    named = select(AccessKey).where(AccessKey.name == name)
    named = named if with_ended else named.where(_is_valid(now(session)))
    return list(session.scalars(named.order_by(AccessKey.created_at)))


def is_taken(session: Session, name: str) -> bool:
    """Whether a key of this name is valid and was not replaced."""
    query = select(AccessKey.id).where(AccessKey.name == name, _is_current(now(session))).limit(1)
    return session.scalar(query) is not None


def has_keys(session: Session) -> bool:
    """Whether there is a valid one."""
    return bool(session.scalar(select(exists().where(_is_valid(now(session))))))


def select_keys(session: Session, *, after: str | None, limit: int) -> list[AccessKey]:
    """At most `limit` keys by id, after one."""
    query = select(AccessKey).order_by(AccessKey.id).limit(limit)
    return list(session.scalars(query if after is None else query.where(AccessKey.id > after)))


def change_key(session: Session, key_id: str, **values: Any) -> None:
    session.execute(update(AccessKey).where(AccessKey.id == key_id).values(values))


def note_key_use(session: Session, key_id: str) -> None:
    """Keep the moment of a use, unless one of the same minute is kept."""
    moment = now(session)
    is_older = or_(AccessKey.used_at.is_(None), AccessKey.used_at < moment - timedelta(seconds=_USE_SECONDS))
    session.execute(update(AccessKey).where(AccessKey.id == key_id, is_older).values(used_at=moment))


def add_entries(session: Session, entries: Sequence[dict[str, Any]]) -> None:
    """Write what was done, by column."""
    session.execute(insert(AuditEntry), [{"at": now(session)} | entry for entry in entries])


def names_of_keys(session: Session, key_ids: Collection[str]) -> dict[str, str]:
    """What keys are called, by their ids."""
    query = select(AccessKey.id, AccessKey.name).where(AccessKey.id.in_(key_ids))
    return {row.id: row.name for row in session.execute(query)}


def select_entries(
    session: Session, key_ids: Collection[str] | None, *, before: UUID | None, limit: int
) -> list[AuditEntry]:
    """At most `limit` entries, of some keys or of all, newest first, older than `before`."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if key_ids is not None:
        query = query.where(AuditEntry.key_id.in_(key_ids))
    return list(session.scalars(query if before is None else query.where(AuditEntry.id < before)))


def _is_current(moment: datetime) -> ColumnElement[bool]:
    return and_(_is_valid(moment), AccessKey.replaced_by.is_(None))


def _is_valid(moment: datetime) -> ColumnElement[bool]:
    lasts = or_(AccessKey.expires_at.is_(None), AccessKey.expires_at > moment)
    return and_(AccessKey.revoked_at.is_(None), lasts)
