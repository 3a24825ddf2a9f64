"""How many bytes datasets may take, of one owner and of all: a new one is added to what is kept, or refused."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy.orm import Session

from service.errors import OwnerBytesReached, OwnerQuotaReached, QuotaReached, ServiceError
from service.settings import Settings
from service.store.database import owner_of
from service.store.datasets import StoredObject
from service.store.owners import stored
from service.store.owners.sums import Sum


@dataclass(frozen=True)
class Room:
    """How many bytes datasets may take; None is no bound."""

    of_all: int | None = None
    of_owner: int | None = None
    """Those of one owner."""

    @classmethod
    def of(cls, settings: Settings) -> "Room":
        return cls(settings.max_stored_bytes, settings.owner_bytes)


NO_BOUND = Room()


class _Quota(NamedTuple):
    """One that a new dataset has to be within."""

    owner: str
    """Whose bytes count, or everybody's."""
    most: int
    refusal: Callable[[int, int], ServiceError]


def take_room(session: Session, room: Room, kept: StoredObject, *, is_shared: bool = False) -> None:
    """Add the size of what a new dataset is kept in to all that are bounded, or to none; what was counted anew is kept
    in any case.

    Raises OwnerBytesReached and QuotaReached.
    """
    known: list[tuple[str, Sum]] = []
    refusal: ServiceError | None = None
    for quota in _quotas(session, room, kept, is_shared=is_shared):
        found = stored.stored_bytes(session, quota.owner)
        known.append((quota.owner, found))
        if found.amount + kept.size > quota.most:
            refusal = quota.refusal(kept.size, quota.most)
            break
    for owner, found in known:
        if refusal is None or found.is_new:
            stored.keep_stored(session, owner, found, 0 if refusal else kept.size)
    if refusal:
        raise refusal


def _quotas(session: Session, room: Room, kept: StoredObject, *, is_shared: bool) -> Iterator[_Quota]:
    """An object that is shared takes no further room, and counts as the owner's all the same."""
    owner = owner_of(session)
    if room.of_owner is not None and not (is_shared and stored.has_object(session, owner, kept.id)):
        yield _Quota(owner, room.of_owner, OwnerBytesReached)
    if room.of_all is not None and not is_shared:
        stored.lock_everybody(session)  # who is over its own quota does not come here, and holds up nobody
        yield _Quota(stored.EVERYBODY, room.of_all, QuotaReached)


@contextmanager
def keeping_counts(session: Session) -> Iterator[None]:
    """Keep what was counted where a quota refuses the block, which has written nothing else by then: of an owner who
    has no more room, the next who is refused costs little. The transaction has ended then."""
    try:
        yield
    except (OwnerQuotaReached, QuotaReached):
        session.commit()
        raise
