"""Leases: the right of one attempt to write for a job, and what becomes of it.

Every guard is in the WHERE of the statement that changes the row; whoever changes no row has lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, case, func, select, text, true, update
from sqlalchemy.orm import Session

from service.errors import LeaseLost
from service.store import events, partitions
from service.store.database import connection_name, later, now
from service.store.tables import Job


@dataclass(frozen=True)
class Claim:
    """The right of one attempt to write for a job, and what it needs to know to go on."""

    job_id: UUID
    attempt: int
    token: UUID


@dataclass(frozen=True)
class Held:
    """A running job as a reaper sees it: whose it is, and which process trains it."""

    claim: Claim
    worker_id: UUID
    process_id: int
    has_expired: bool
    """It is held by a lease that has run out. Otherwise the process was seen to be dead, whatever the lease says."""


def claim(
    session: Session,
    job_id: UUID,
    *,
    worker_id: UUID,
    process_id: int,
    devices: Sequence[str],
    lease_seconds: float,
) -> Claim | None:
    """Take a queued job that asks for one of the devices. None when it is not to be had, or only with its group."""
    moment, token = now(session), uuid4()
    row = session.execute(
        update(Job)
        .where(Job.id == job_id, Job.status == "queued", Job.device.in_(devices), Job.group_id.is_(None))
        .values(
            status="running",
            attempt=Job.attempt + 1,
            lease_token=token,
            lease_until=moment + timedelta(seconds=lease_seconds),
            worker_id=worker_id,
            process_id=process_id,
            started_at=func.coalesce(Job.started_at, moment),
        )
        .returning(Job.attempt)
    ).one_or_none()
    if row is None:
        return None
    events.add_status(session, job_id, "running", f"Attempt {row.attempt}")
    return Claim(job_id, row.attempt, token)


def epochs_done(session: Session, mine: Claim) -> int:
    """How many epochs of a claimed job are written. Raises LeaseLost."""
    done = session.scalar(select(Job.epochs_done).where(_owned(mine)))
    if done is None:
        raise LeaseLost
    return done


def beat(session: Session, mine: Claim, lease_seconds: float) -> bool:
    """Extend a lease with nothing to tell. True when the job is to be cancelled. Raises LeaseLost."""
    return _extend(session, mine, lease_seconds, version=Job.version)


def extend(session: Session, mine: Claim, lease_seconds: float, **values: Any) -> bool:
    """Record something of a claimed job and extend its lease. True when it is to be cancelled. Raises LeaseLost."""
    return _extend(session, mine, lease_seconds, **RECORDED, **values)


def _extend(session: Session, mine: Claim, lease_seconds: float, **values: Any) -> bool:
    row = session.execute(
        update(Job)
        .where(_owned(mine))
        .values(lease_until=later(session, lease_seconds), **values)
        .returning(Job.cancel_requested)
    ).one_or_none()
    if row is None:
        raise LeaseLost
    return bool(row.cancel_requested)


def finish(session: Session, mine: Claim, status: str, detail: str | None = None, **values: Any) -> None:
    """End a claimed job. Raises LeaseLost."""
    ended = session.execute(
        update(Job)
        .where(_owned(mine))
        .values(status=status, finished_at=now(session), checkpoint=None, **RELEASED, **values)
        .returning(Job.id)
    ).one_or_none()
    if ended is None:
        raise LeaseLost
    events.add_status(session, mine.job_id, status, detail)


def put_back(session: Session, mine: Claim, detail: str) -> None:
    """Give a claimed job back to the queue without counting the attempt against it. Raises LeaseLost."""
    back = session.execute(
        update(Job).where(_owned(mine)).values(status="queued", rung_at=None, **RELEASED).returning(Job.id)
    ).one_or_none()
    if back is None:
        raise LeaseLost
    events.add_status(session, mine.job_id, "queued", detail)


def expired(session: Session) -> list[Held]:
    """Running jobs whose lease has run out."""
    return _held(session, Job.lease_until < now(session), have_expired=True)


def held_by(session: Session, worker_id: UUID) -> list[Held]:
    """Jobs that a worker's processes run."""
    return _held(session, Job.worker_id == worker_id, have_expired=False)


def end_transactions(session: Session, held: Held) -> None:
    """End the transactions that a lost process has left open, and with them its locks.

    PostgreSQL ends one that says nothing between two statements. In the middle of a COPY or of a pipeline of statements
    it waits for the rest, for ever where the process only stands still. On SQLite a process that is gone holds nothing.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_END_TRANSACTIONS, {"name": connection_name(held.worker_id, held.process_id)})


def release_lost(session: Session, held: Held, max_crashes: int) -> bool:
    """Take a job from an attempt that died: back into the queue, or failed where several in a row recorded nothing.

    True when this call did it: of several reapers one wins, for the token they saw is gone afterwards. A lease that had
    run out may have been extended since, by a flush that took long.
    """
    is_still_lost = Job.lease_until < now(session) if held.has_expired else true()
    released = session.execute(
        update(Job)
        .where(_owned(held.claim), is_still_lost)
        .values(status="queued", rung_at=None, crashes=_CRASHES, **RELEASED)
        .returning(Job.crashes)
    ).one_or_none()
    if released is None:
        return False
    is_given_up = released.crashes >= max_crashes
    if is_given_up:
        session.execute(update(Job).where(Job.id == held.claim.job_id).values(_worker_lost(session)))
    partitions.release(session, held.claim.job_id, held.worker_id)
    detail = f"The worker was lost in attempt {held.claim.attempt}"
    events.add_status(session, held.claim.job_id, "failed" if is_given_up else "queued", detail)
    return True


_END_TRANSACTIONS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = :name AND state <> 'idle'"
)
RELEASED: dict[str, Any] = {"lease_token": None, "lease_until": None, "worker_id": None, "process_id": None}
RECORDED: dict[str, Any] = {"crashes": 0, "recorded_in": Job.attempt}
"""A job that advances is not given up, however often its workers die."""
_CRASHES = case((Job.recorded_in == Job.attempt, 0), else_=Job.crashes + 1)
"""Where the last attempt has died as well."""


def _worker_lost(session: Session) -> dict[str, Any]:
    return {
        "status": "failed",
        "finished_at": now(session),
        "checkpoint": None,
        "error_code": "worker_lost",
        "error_detail": "The job was given up: its worker died each time it tried, and nothing was recorded in between",
    }


def _held(session: Session, condition: ColumnElement[bool], *, have_expired: bool) -> list[Held]:
    query = select(Job.id, Job.attempt, Job.lease_token, Job.worker_id, Job.process_id)
    return [
        Held(Claim(row.id, row.attempt, row.lease_token), row.worker_id, row.process_id, have_expired)
        for row in session.execute(query.where(Job.status == "running", condition).order_by(Job.id))
    ]


def _owned(mine: Claim) -> ColumnElement[bool]:
    return and_(Job.id == mine.job_id, Job.lease_token == mine.token, Job.status == "running")
