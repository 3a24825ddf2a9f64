"""The same request twice, made harmless by a key of its client's: it makes one job, or one sweep."""

import hashlib
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.errors import IdempotencyKeyInFlight, IdempotencyKeyReused
from service.store.idempotency import Made, lock_key, made_with


@dataclass(frozen=True)
class Key:
    """A key, and the hash of the request that came with it. Both are None where the client gave no key."""

    text: str | None
    fingerprint: str | None

    @classmethod
    def of(cls, text: str | None, request: BaseModel) -> Self:
        if text is None:
            return cls(None, None)
        return cls(text, hashlib.sha256(request.model_dump_json().encode()).hexdigest())

    def earlier(self, session: Session, kind: type[Made]) -> Made | None:
        """What the key made before. Until the transaction ends, nobody else makes anything with it.

        Raises IdempotencyKeyReused where it came with another request, and IdempotencyKeyInFlight.
        """
        if self.text is None:
            return None
        if not lock_key(session, kind, self.text):
            raise IdempotencyKeyInFlight
        made = made_with(session, kind, self.text)
        if made and made.fingerprint != self.fingerprint:
            raise IdempotencyKeyReused
        return made
