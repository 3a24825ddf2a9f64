"""What one owner has: jobs that have not ended, bytes of datasets, numbers that jobs record."""

from collections.abc import Iterable
from hashlib import sha256

from sqlalchemy import func, literal_column, select
from sqlalchemy.orm import Session

from service.store.datasets import take_lock
from service.store.tables import Dataset, Job

_OTHER_OPEN = ("running", "paused")


def lock_owners(session: Session, owners: Iterable[str]) -> None:
    """Until the transaction ends nobody else adds something within a quota of these owners.

    Locks are taken in one order, so that no two transactions wait for each other.
    """
    for number in sorted({_lock_of(owner) for owner in owners}):
        take_lock(session, number)


def count_jobs_under_way(session: Session, owner: str) -> int:
    """Jobs of an owner that wait, run or are paused. Those that wait are counted by the index of turns."""
    own = Job.owner == owner
    waiting = select(func.count()).where(Job.status == literal_column("'queued'"), own)
    if owner:
        waiting = waiting.where(Job.owner != literal_column("''"))
    others = select(func.count()).where(Job.status.in_(_OTHER_OPEN), own)
    return (session.scalar(waiting) or 0) + (session.scalar(others) or 0)


def sum_recorded_numbers(session: Session, owner: str) -> int:
    """What the plans of all jobs of an owner record."""
    recorded = Job.plan["recorded_numbers"].as_integer()
    return session.scalar(select(func.coalesce(func.sum(recorded), 0)).where(Job.owner == owner)) or 0


def bytes_of_owner(session: Session, owner: str) -> int:
    """What the datasets of an owner take, those of jobs too. What is shared with others counts for each of them."""
    objects = select(func.max(Dataset.size).label("size")).where(Dataset.owner == owner).group_by(Dataset.object_id)
    return session.scalar(select(func.coalesce(func.sum(objects.subquery().c.size), 0))) or 0


def _lock_of(owner: str) -> int:
    return int.from_bytes(sha256(f"quota of {owner}".encode()).digest()[:8], signed=True)
