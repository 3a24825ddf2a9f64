"""Leases whose holder is gone: which running jobs those are, and taking them from it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, select, text, true, update
from sqlalchemy.orm import Session

from service.store import events
from service.store.connections.postgresql import connection_name
from service.store.database import now
from service.store.events import BEGINS_LATER, RETURNED, ended_columns
from service.store.leases.leases import JobLease
from service.store.leases.partitions import release_partitions
from service.store.tables import Job


@dataclass(frozen=True)
class RunningJob:
    """A running job as a reaper sees it: its lease, and which process trains it."""

    lease: JobLease
    """Of this one job, also where it trains with a group."""
    worker_id: UUID
    process_id: int
    has_expired: bool
    """Its lease has run out. Otherwise the process was seen to be dead, whatever the lease says."""
    group_id: UUID | None = None


def expired_jobs(session: Session) -> list[RunningJob]:
    """Running jobs whose lease has run out."""
    return _running_jobs(session, Job.lease_until < now(session), have_expired=True)


def jobs_of_worker(session: Session, worker_id: UUID) -> list[RunningJob]:
    """Jobs that a worker's processes run."""
    return _running_jobs(session, Job.worker_id == worker_id, have_expired=False)


def end_transactions(session: Session, lost: RunningJob) -> None:
    """End the transactions that a lost process has left open, and with them its locks.

    PostgreSQL ends one that says nothing between two statements. In the middle of a COPY or of a pipeline of statements
    it waits for the rest, for ever where the process only stands still. On SQLite a process that is gone locks nothing.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_END_TRANSACTIONS, {"name": connection_name(lost.worker_id, lost.process_id)})


def release_lost(session: Session, lost: RunningJob, max_crashes: int, *, counts: bool = True) -> bool:
    """Take a job from an attempt that died: back into the queue, or paused where that was asked for, or failed where
    several in a row recorded nothing.

    True when this call did it: of several reapers one wins, for the token they saw is gone afterwards. A lease that had
    run out may have been extended since, by a flush that took long. `counts` says whether the attempt does as one of
    those several: not where nobody knows that it was this job's. Its time has not begun then, either.
    """
    lease = lost.lease
    is_still_lost = Job.lease_until < now(session) if lost.has_expired else true()
    released = session.execute(
        update(Job)
        .where(lease.owned, is_still_lost)
        .values(**({"crashes": _CRASHES} if counts else BEGINS_LATER), **RETURNED)
        .returning(Job.crashes, Job.status)
    ).one_or_none()
    if released is None:
        return False
    is_given_up = released.crashes >= max_crashes
    if is_given_up:
        given_up = ended_columns(session, "failed") | _WORKER_LOST
        session.execute(update(Job).where(Job.id == lease.job_id).values(given_up))
    release_partitions(session, lease.job_id, lost.worker_id)
    detail = f"The worker was lost in attempt {lease.attempt}"
    events.add_status(session, lease.job_id, "failed" if is_given_up else released.status, detail)
    return True


def release_all(session: Session, since: datetime, detail: str) -> int:
    """Take every running job from whoever had it, where nobody of those has been there since a moment. How many they
    were.

    Nobody could go on with a job that had begun, also if it waited for another attempt: for its time, it was paused.
    """
    had_begun = (Job.status.in_(("queued", "running")), Job.started_at.is_not(None))
    begun = session.scalars(select(Job.id).where(*had_begun)).all()
    events.add_statuses(session, begun, "paused", "Nobody could go on with it from here on", since)
    taken = update(Job).where(Job.status == "running").values(**RETURNED)
    rows = session.execute(taken.returning(Job.id, Job.status, Job.epochs_done)).all()
    paused = {row.id: row.epochs_done for row in rows if row.status == "paused"}
    events.add_statuses(session, [job_id for job_id in begun if job_id not in paused], "queued", detail)
    events.add_pauses(session, paused)
    return len(rows)


_END_TRANSACTIONS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = :name AND state <> 'idle'"
)
_CRASHES = case((Job.recorded_in == Job.attempt, 0), else_=Job.crashes + 1)
"""Where the last attempt has died as well."""
_WORKER_LOST: dict[str, Any] = {
    "error_code": "worker_lost",
    "error_detail": "The job was given up: its worker died each time it tried, and nothing was recorded in between",
}


def _running_jobs(session: Session, condition: ColumnElement[bool], *, have_expired: bool) -> list[RunningJob]:
    query = select(Job.id, Job.attempt, Job.lease_token, Job.worker_id, Job.process_id, Job.group_id)
    return [
        RunningJob(
            JobLease(row.id, row.attempt, row.lease_token),
            row.worker_id,
            row.process_id,
            have_expired,
            row.group_id,
        )
        for row in session.execute(query.where(Job.status == "running", condition).order_by(Job.id))
    ]
