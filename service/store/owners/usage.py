"""What one owner has: jobs that have not ended, and numbers that jobs record."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from sqlalchemy import BigInteger, ColumnElement, Text, case, cast, func, literal_column, select
from sqlalchemy.orm import Session

from service.store.connections.locks import take_lock, try_lock
from service.store.owners.sums import Sum, Sums
from service.store.tables import Job, Usage

_OTHER_OPEN = ("running", "paused")
_NUMBERS = Sums(Usage.__table__, "numbers")


def lock_owners(session: Session, owners: Iterable[str]) -> None:
    """Until the transaction ends nobody else adds something within a quota of these owners.

    Locks are taken in one order, so that no two transactions wait for each other.
    """
    for number in sorted({_lock_of(owner) for owner in owners}):
        take_lock(session, number)


def lock_free_owners(session: Session, owners: Iterable[str]) -> set[str]:
    """The same of those whose lock nobody else has, without waiting. Which are left out."""
    return {owner for owner in set(owners) if not try_lock(session, _lock_of(owner))}


def count_jobs_under_way(session: Session, owner: str) -> int:
    """Jobs of an owner that wait, run or are paused. Those that wait are counted by the index of turns."""
    own = Job.owner == owner
    waiting = select(func.count()).where(Job.status == literal_column("'queued'"), own)
    if owner:
        waiting = waiting.where(Job.owner != literal_column("''"))
    others = select(func.count()).where(Job.status.in_(_OTHER_OPEN), own)
    return (session.scalar(waiting) or 0) + (session.scalar(others) or 0)


def recorded_numbers(session: Session, owner: str) -> Sum:
    """What the plans of all jobs of an owner record. For whoever has locked the owner."""
    total = select(func.sum(_recorded(session))).where(Job.owner == owner).scalar_subquery()
    return _NUMBERS.read(session, owner, total)


def keep_recorded(session: Session, owner: str, known: Sum, added: int) -> None:
    _NUMBERS.keep(session, owner, known, added)


def counted_numbers(session: Session) -> ColumnElement[int | None]:
    """Of a job that is deleted, what has to be taken off: null where nobody has counted."""
    return case((_NUMBERS.is_counted(session, Job.owner), _recorded(session)))


def take_off_recorded(session: Session, numbers: Sequence[tuple[str, int]]) -> None:
    """Count what owners have deleted. A row of its own waits for nobody, and nobody for it."""
    _NUMBERS.take_off(session, numbers)


def _recorded(session: Session) -> ColumnElement[int]:
    """What a plan says; nothing where somebody has damaged it. SQL's own integer has no room for three billions."""
    told = Job.plan["recorded_numbers"].as_string()
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    is_sound = func.json_valid(cast(Job.plan, Text)) == 1 if is_sqlite else told.regexp_match("^[0-9]{1,18}$")
    return case((is_sound, cast(told, BigInteger)), else_=0)


def _lock_of(owner: str) -> int:
    return int.from_bytes(sha256(f"quota of {owner}".encode()).digest()[:8], signed=True)
