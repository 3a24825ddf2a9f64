"""The same request twice, made harmless by a key of its client's: it makes one job, or one sweep."""

import hashlib
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.errors import IdempotencyKeyInFlight, IdempotencyKeyReused
from service.store.jobs.idempotency import Made, lock_key, made_with


@dataclass(frozen=True)
class Key:
    """A key, and the hash of the request that came with it."""

    text: str
    """With the owner of what is made: two owners may use the same key. Neither has a line break in it."""
    fingerprint: str

    @classmethod
    def of(cls, text: str, request: BaseModel, owner: str) -> Self:
        fingerprint = hashlib.sha256(request.model_dump_json().encode()).hexdigest()
        return cls(f"{owner}\n{text}" if owner else text, fingerprint)

    @property
    def columns(self) -> dict[str, Any]:
        """Of what is made with it."""
        return {"idempotency_key": self.text, "fingerprint": self.fingerprint}

    def earlier(self, session: Session, kind: type[Made]) -> Made | None:
        """What the key made before. Until the transaction ends, nobody else makes anything with it.

        Raises IdempotencyKeyReused where it came with another request, and IdempotencyKeyInFlight.
        """
        if not lock_key(session, kind, self.text):
            raise IdempotencyKeyInFlight
        return self.made(session, kind)

    def made(self, session: Session, kind: type[Made]) -> Made | None:
        """What the key has made. Raises IdempotencyKeyReused where it came with another request."""
        made = made_with(session, kind, self.text)
        if made and made.fingerprint != self.fingerprint:
            raise IdempotencyKeyReused
        return made
