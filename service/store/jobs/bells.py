"""Jobs that wait for a worker to hear of them: which they are, and for which a bell was rung."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from service.store.database import now
from service.store.tables import Job


@dataclass(frozen=True)
class Unheard:
    """A queued job that no worker may know of."""

    job_id: UUID
    device: str
    rung_before: bool


def oldest_queued(session: Session) -> dict[str, datetime]:
    """Since when the oldest queued job has been there, by the device that it asks for."""
    query = select(Job.device, func.min(Job.created_at).label("oldest")).where(Job.status == "queued")
    return {row.device: row.oldest for row in session.execute(query.group_by(Job.device))}


def queued_jobs(session: Session, devices: Sequence[str], *, limit: int) -> list[UUID]:
    """Jobs that ask for one of the devices and that nobody has claimed, oldest first."""
    query = select(Job.id).where(Job.status == "queued", Job.device.in_(devices))
    return list(session.scalars(query.order_by(Job.id).limit(limit)))


def unheard_jobs(session: Session, *, silent_seconds: float, limit: int) -> list[Unheard]:
    """Queued jobs whose bell was never rung, or long enough ago to be lost; oldest first.

    Of a group only the first: one bell wakes all of it.
    """
    moment = now(session) - timedelta(seconds=silent_seconds)
    earlier = aliased(Job)
    has_earlier = exists().where(
        earlier.group_id == Job.group_id, earlier.place < Job.place, earlier.status == "queued"
    )
    query = select(Job.id, Job.device, Job.rung_at).where(
        Job.status == "queued", or_(Job.rung_at.is_(None), Job.rung_at < moment), ~has_earlier
    )
    rows = session.execute(query.order_by(Job.id).limit(limit))
    return [Unheard(row.id, row.device, row.rung_at is not None) for row in rows]


def note_ring(session: Session, job_ids: Sequence[UUID], *, heard: bool) -> None:
    """Remember when the bell was rung for jobs and their groups, or that the broker did not take it."""
    ring = {"rung_at": now(session) if heard else None, "version": Job.version}
    session.execute(update(Job).where(Job.id.in_(job_ids)).values(ring))
    groups = list(session.scalars(select(Job.group_id).where(Job.id.in_(job_ids), Job.group_id.is_not(None))))
    if groups:
        session.execute(update(Job).where(Job.group_id.in_(groups), Job.status == "queued").values(ring))
