"""What one owner has: jobs that have not ended, bytes of datasets, numbers that jobs record."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, case, cast, delete, exists, func, insert, literal_column, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from service.store.database import now
from service.store.datasets import take_lock, try_lock
from service.store.tables import Dataset, Job, Usage

_OTHER_OPEN = ("running", "paused")
_COUNTED_FOR = timedelta(hours=1)
_MOST_IDS = 2000
_RECORDED = cast(Job.plan["recorded_numbers"].as_string(), BigInteger)
"""SQL's own integer would have no room for three billions."""


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


class Recorded(NamedTuple):
    """What the plans of all jobs of an owner record, and the rows that say so."""

    numbers: int
    counted_at: datetime
    """When all jobs were looked at for it."""
    row_ids: list[UUID]
    is_new: bool = False
    """Whether that was now."""


def recorded_numbers(session: Session, owner: str) -> Recorded:
    """For whoever has locked the owner.

    All jobs are looked at once an hour: what is wrong then, because somebody had no quota meanwhile, is right again.
    """
    rows = session.execute(select(Usage.id, Usage.numbers, Usage.counted_at).where(Usage.owner == owner)).all()
    since = now(session) - _COUNTED_FOR
    sums = [row.counted_at for row in rows if row.counted_at and row.counted_at > since]
    if not sums:
        return _count_anew(session, owner)
    return Recorded(sum(row.numbers for row in rows), max(sums), [row.id for row in rows])


def keep_recorded(session: Session, owner: str, recorded: Recorded, added: int) -> None:
    """Let one row say what several did, and what is added. Some ids in a statement: it has room for no more."""
    for start in range(0, len(recorded.row_ids), _MOST_IDS):
        session.execute(delete(Usage).where(Usage.id.in_(recorded.row_ids[start : start + _MOST_IDS])))
    new = {"id": uuid7(), "owner": owner, "numbers": recorded.numbers + added, "counted_at": recorded.counted_at}
    session.execute(insert(Usage), new)


def counted_numbers(session: Session) -> ColumnElement[int | None]:
    """Of a job that is deleted, what has to be taken off: null where nobody has counted.

    PostgreSQL shows nothing of a count that is not committed: what is deleted meanwhile may count until the next one.
    """
    is_counted = exists().where(Usage.owner == Job.owner, Usage.counted_at > now(session) - _COUNTED_FOR)
    return case((is_counted, _RECORDED))


def take_off(session: Session, numbers: Sequence[tuple[str, int]]) -> None:
    """Count what owners have deleted. A row of its own waits for nobody, and nobody for it."""
    sums = Counter[str]()
    for owner, gone in numbers:
        sums[owner] += gone
    if sums:
        rows = [{"id": uuid7(), "owner": owner, "numbers": -gone, "counted_at": None} for owner, gone in sums.items()]
        session.execute(insert(Usage), rows)


def _count_anew(session: Session, owner: str) -> Recorded:
    """By one statement, which sees of each deletion both that the job is gone and what was taken off, or neither.

    Of one that it does not see, nothing is taken off where that began before this is committed (`counted_numbers`).
    """
    total = select(cast(func.coalesce(func.sum(_RECORDED), 0), BigInteger)).where(Job.owner == owner).scalar_subquery()
    one = select(total.label("numbers")).subquery()
    rows = session.execute(select(one.c.numbers, Usage.id).outerjoin_from(one, Usage, Usage.owner == owner)).all()
    return Recorded(rows[0].numbers, now(session), [row.id for row in rows if row.id], is_new=True)


def bytes_of_owner(session: Session, owner: str) -> int:
    """What the datasets of an owner take, those of jobs too. What is shared with others counts for each of them."""
    objects = select(func.max(Dataset.size).label("size")).where(Dataset.owner == owner).group_by(Dataset.object_id)
    return session.scalar(select(func.coalesce(func.sum(objects.subquery().c.size), 0))) or 0


def _lock_of(owner: str) -> int:
    return int.from_bytes(sha256(f"quota of {owner}".encode()).digest()[:8], signed=True)
