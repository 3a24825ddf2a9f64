"""Tells callers by the keys that they show."""

from contextlib import suppress
from hmac import compare_digest
from typing import cast

from cachetools import TTLCache

from service.access.callers import Caller, Scope
from service.access.key_text import PresentedKey
from service.errors import KeyNotValid, ServiceError
from service.store import keys
from service.store.database import Database
from service.store.keys import KnownKey

TRUSTED_SECONDS = 1.0
"""How long a key is what it was when it was looked up: one that is revoked elsewhere lets in no longer than that."""
_MOST_KNOWN = 10_000


class Door:
    """Serves the event loop; `look_up` alone is for a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: TTLCache[str, KnownKey] = TTLCache(_MOST_KNOWN, TRUSTED_SECONDS)

    def recall(self, shown: PresentedKey) -> Caller | None:
        """Who shows a key that was looked up a moment ago; None where it was not. Raises KeyNotValid."""
        known = self._known.get(shown.id)
        return None if known is None else _caller(known, shown)

    def look_up(self, shown: PresentedKey) -> KnownKey:
        """What the database knows of a key. Raises KeyNotValid, and DatabaseUnavailable."""
        known = self._database.query(keys.find_known_key, shown.id)
        if known is None or not compare_digest(known.digest, shown.digest):
            raise _unknown()
        if known.use_is_old and not (known.is_revoked or known.has_expired):
            with suppress(ServiceError):  # it lets in all the same
                self._note_use(known.id)
        return known

    def admit(self, shown: PresentedKey, known: KnownKey) -> Caller:
        """Who shows a key, which is remembered for a moment. Raises KeyNotValid."""
        self._known[shown.id] = known
        return _caller(known, shown)

    def forget(self, key_id: str) -> None:
        """Look a key up again when it is next shown: it has been changed."""
        self._known.pop(key_id, None)

    def _note_use(self, key_id: str) -> None:
        with self._database.writing() as session:
            keys.note_key_use(session, key_id)
            session.commit()


def _caller(known: KnownKey, shown: PresentedKey) -> Caller:
    if not compare_digest(known.digest, shown.digest):
        raise _unknown()
    if known.is_revoked:
        raise KeyNotValid("The key was revoked: ask for another")
    if known.has_expired:
        raise KeyNotValid("The key has expired: ask for another")
    return Caller(known.owner, cast(Scope, known.scope), known.id, sees_all=known.scope == "admin")


def _unknown() -> KeyNotValid:
    """Whether there is a key of that id is not told to whoever does not have it."""
    return KeyNotValid("There is no such key: ask for another")
