"""Tells callers by the keys that they show."""

from contextlib import suppress
from hmac import compare_digest
from time import monotonic
from typing import NamedTuple, cast

from cachetools import LRUCache

from service.access.callers import Caller, Scope
from service.access.key_text import PresentedKey
from service.errors import KeyNotValid, ServiceError
from service.store.database import Database
from service.store.owners import keys
from service.store.owners.keys import KnownKey

TRUSTED_SECONDS = 1.0
"""How long a key is what it was when it was asked for: one that is revoked elsewhere lets in no longer than that."""
_MOST_KNOWN = 10_000


class SeenKey(NamedTuple):
    """A key as the database knew it."""

    known: KnownKey
    asked_at: float
    """When it was asked for, by this process's own clock: the answer may have been on its way for seconds."""


class Door:
    """Serves the event loop; `look_up` alone is for a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: LRUCache[str, SeenKey] = LRUCache(_MOST_KNOWN)

    def recall(self, shown: PresentedKey) -> Caller | None:
        """Who shows a key that was looked up a moment ago; None where it was not. Raises KeyNotValid."""
        seen = self._seen.get(shown.id)
        if seen is None or monotonic() - seen.asked_at > TRUSTED_SECONDS:
            return None
        return _caller(seen.known, shown)

    def look_up(self, shown: PresentedKey) -> SeenKey:
        """What the database knows of a key. Raises KeyNotValid, and DatabaseUnavailable."""
        asked_at = monotonic()
        known = self._database.query(keys.find_known_key, shown.id)
        if known is None or not compare_digest(known.digest, shown.digest):
            raise _unknown()
        if known.use_is_old and not (known.is_revoked or known.has_expired):
            with suppress(ServiceError):  # it lets in all the same
                self._note_use(known.id)
        return SeenKey(known, asked_at)

    def admit(self, shown: PresentedKey, seen: SeenKey) -> Caller:
        """Who shows a key, which is remembered for a moment. Raises KeyNotValid."""
        self._seen[shown.id] = seen
        return _caller(seen.known, shown)

    def forget(self, key_id: str) -> None:
        """Look a key up again when it is next shown: it has been changed."""
        self._seen.pop(key_id, None)

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
