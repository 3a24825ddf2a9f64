"""Pausing and resuming: the guard of each is in the WHERE of the statement that changes the row."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from service.store import events
from service.store.database import now
from service.store.leases.partitions import release_partitions
from service.store.tables import Event, Job


def pause_queued(session: Session, job_id: UUID) -> bool:
    """Pause a job that nobody has claimed; not one that is to be cancelled."""
    queued = update(Job).where(Job.id == job_id, Job.status == "queued", Job.cancel_requested.is_(False))
    paused = session.execute(queued.values(status="paused", rung_at=None).returning(Job.epochs_done)).one_or_none()
    if paused:
        events.add_pauses(session, {job_id: paused.epochs_done})
    return paused is not None


def ask_to_pause(session: Session, job_id: UUID) -> bool:
    """Raise the flag that a running job's next flush reads; not of one that is to be cancelled."""
    running = update(Job).where(Job.id == job_id, Job.status == "running", Job.cancel_requested.is_(False))
    return session.execute(running.values(pause_requested=True).returning(Job.id)).one_or_none() is not None


def resume_paused(session: Session, job_id: UUID) -> bool:
    """Put a paused job into the queue. What helpers had taken of its data when it was paused is free again."""
    paused = update(Job).where(Job.id == job_id, Job.status == "paused")
    resumed = session.execute(paused.values(status="queued", rung_at=now(session)).returning(Job.id)).one_or_none()
    if resumed:
        release_partitions(session, job_id)
        events.add_status(session, job_id, "queued", "Resumed")
    return resumed is not None


def take_back_pause(session: Session, job_id: UUID) -> bool:
    """Lower the flag of a running job. Its attempt may have seen it: the job then goes on with another."""
    asked = update(Job).where(Job.id == job_id, Job.status == "running", Job.pause_requested)
    return session.execute(asked.values(pause_requested=False).returning(Job.id)).one_or_none() is not None


def time_paused(history: Iterable[Event], started_at: datetime) -> timedelta:
    """How long a job was paused since it first began to run, by all of its events in their order."""
    changes = [event for event in history if event.kind == "status"]
    since = [(one, following) for one, following in pairwise(changes) if one.at >= started_at]
    return sum((following.at - one.at for one, following in since if one.status == "paused"), timedelta())
