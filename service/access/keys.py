"""Keys: the decisions and the commits. The text of a key is known when it is made, and never again."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from service.access.callers import Scope
from service.access.key_text import PresentedKey, new_key_text
from service.errors import InvalidRequest, KeyHasEnded, KeyNameTaken, KeyNotFound
from service.store.database import Database, now
from service.store.owners import keys
from service.store.tables import AccessKey, AuditEntry
from slope.spec import Fault
from slope.spec.faults import in_words

_NAMES = "It should have letters, digits, dots, dashes, _ and @, at most 63, a letter or a digit first"
NAME = in_words(r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$", _NAMES)
"""Of keys and of owners."""
OVERLAP = timedelta(days=1)
"""How long a key that was rotated lets in by default, so that whoever has it can take the new one."""


@dataclass(frozen=True)
class NewKey:
    """A key and its text, which is told once."""

    key: AccessKey
    text: str


def create_key(
    database: Database,
    name: str,
    scope: Scope,
    *,
    owner: str | None = None,
    expires: datetime | timedelta | None = None,
) -> NewKey:
    """Make a key. Its owner is called as itself, unless another is named. It expires then, or after this time, by the
    database's clock. Raises InvalidRequest and KeyNameTaken.
    """
    _refuse_other_names(name=name, owner=owner)
    with database.writing() as session:
        expires_at = now(session) + expires if isinstance(expires, timedelta) else expires
        if expires_at is not None and expires_at <= now(session):
            raise _refused("expires_at", "This time is past: leave it out, or name one to come")
        keys.lock_name(session, name)
        if keys.is_taken(session, name):
            raise KeyNameTaken(name)
        made = _new(session, name, owner or name, scope, expires_at)
        session.commit()
    return made


def rotate_key(database: Database, key_id: str, *, overlap: timedelta = OVERLAP) -> NewKey:
    """Make a key in the place of another, which lets in for the time of the overlap. It lasts as long as that one did.

    Raises KeyNotFound and KeyHasEnded.
    """
    with database.writing() as session:
        old, moment = get_key(session, key_id, lock=True), now(session)
        if state_of(old, moment) != "valid" or old.replaced_by:
            raise KeyHasEnded(key_id)
        lifetime = old.expires_at - old.created_at if old.expires_at else None
        made = _new(session, old.name, old.owner, old.scope, moment + lifetime if lifetime else None)
        end = moment + overlap
        keys.change_key(session, old.id, replaced_by=made.key.id, expires_at=min(end, old.expires_at or end))
        session.commit()
    return made


def revoke_key(database: Database, key_id: str) -> None:
    """Let a key let nobody in any more. Raises KeyNotFound."""
    with database.writing() as session:
        _revoke(session, get_key(session, key_id, lock=True))
        session.commit()


def revoke_called(database: Database, called: str) -> list[AccessKey]:
    """Revoke the key of an id, or all of a name that let in, and return which. Raises KeyNotFound."""
    with database.writing() as session:
        by_id = keys.find_key(session, called, lock=True)
        found = [by_id] if by_id else _keys_named(session, called)
        if not found:
            raise KeyNotFound(called)
        for key in found:
            _revoke(session, key)
        session.commit()
    return found


def _keys_named(session: Session, name: str) -> list[AccessKey]:
    """Those that let in, which nobody else rotates, and besides which nobody makes one, until the transaction ends."""
    keys.lock_name(session, name)
    return keys.find_keys_named(session, name)


def _revoke(session: Session, key: AccessKey) -> None:
    if key.revoked_at is None:
        keys.change_key(session, key.id, revoked_at=now(session))


def get_key(session: Session, key_id: str, *, lock: bool = False) -> AccessKey:
    """With `lock` nobody else changes it until the transaction ends. Raises KeyNotFound."""
    found = keys.find_key(session, key_id, lock=lock)
    if found is None:
        raise KeyNotFound(key_id)
    return found


def get_key_called(session: Session, called: str) -> AccessKey:
    """By its id or its name: of several keys of a name the valid one."""
    found = keys.find_key(session, called) or keys.find_named_key(session, called)
    if found is None:
        raise KeyNotFound(called)
    return found


def list_keys(session: Session, *, after: str | None, limit: int) -> tuple[list[AccessKey], str | None]:
    """By id, and the id after which the next page begins."""
    found = keys.select_keys(session, after=after, limit=limit + 1)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def list_deeds(
    session: Session, key_id: str, *, before: UUID | None, limit: int
) -> tuple[list[AuditEntry], UUID | None]:
    """What was done with a key, newest first, and where the next page goes on. Raises KeyNotFound."""
    get_key(session, key_id)
    found = keys.select_entries(session, [key_id], before=before, limit=limit + 1)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def list_deeds_called(session: Session, called: str | None, *, limit: int) -> list[tuple[AuditEntry, str]]:
    """What was done with the key of an id, with all keys that ever had a name, or with all; newest first, and each with
    what its key is called. Raises KeyNotFound."""
    key_ids = None if called is None else [key.id for key in _all_called(session, called)]
    found = keys.select_entries(session, key_ids, before=None, limit=limit)
    names = keys.names_of_keys(session, {entry.key_id for entry in found})
    return [(entry, names.get(entry.key_id, "")) for entry in found]


def _all_called(session: Session, called: str) -> list[AccessKey]:
    by_id = keys.find_key(session, called)
    found = [by_id] if by_id else keys.find_keys_named(session, called, with_ended=True)
    if not found:
        raise KeyNotFound(called)
    return found


def state_of(key: AccessKey, moment: datetime) -> str:
    """Whether a key lets in: `valid`, `revoked` or `expired`."""
    if key.revoked_at:
        return "revoked"
    return "expired" if key.expires_at and key.expires_at <= moment else "valid"


def _new(session: Session, name: str, owner: str, scope: str, expires_at: datetime | None) -> NewKey:
    text = new_key_text()
    shown = PresentedKey.parse(text)
    values = {"name": name, "owner": owner, "scope": scope, "created_at": now(session), "expires_at": expires_at}
    key = AccessKey(id=shown.id, digest=shown.digest, **values)
    keys.add_key(session, key)
    return NewKey(key, text)


def _refuse_other_names(**names: str | None) -> None:
    for place, name in names.items():
        if name is not None and not re.fullmatch(NAME, name):
            raise _refused(place, _NAMES)


def _refused(place: str, detail: str) -> InvalidRequest:
    return InvalidRequest(detail, [Fault(detail, f"/{place}")])
