"""Jobs. Every guard is in the WHERE of the statement that changes the row; whoever changes no row has lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, undefer

from service.errors import LeaseLost
from service.store import datasets, events
from service.store.database import now
from service.store.tables import Job


@dataclass(frozen=True)
class Claim:
    """The right of one attempt to write for a job, and what it needs to know to go on."""

    job_id: UUID
    attempt: int
    token: UUID


@dataclass(frozen=True)
class Held:
    """A running job as a reaper sees it: whose it is, which process trains it, how many attempts died before."""

    claim: Claim
    process_id: int
    crashes: int


@dataclass(frozen=True)
class Unheard:
    """A queued job that no worker may know of."""

    job_id: UUID
    device: str
    rung_before: bool


@dataclass(frozen=True)
class Filters:
    """Which jobs to list; None does not filter."""

    status: str | None = None
    name: str | None = None
    dataset_id: UUID | None = None
    labels: tuple[tuple[str, str], ...] = ()


def get(session: Session, job_id: UUID) -> Job | None:
    return session.get(Job, job_id)


def by_idempotency_key(session: Session, key: str) -> Job | None:
    return session.scalars(select(Job).where(Job.idempotency_key == key)).one_or_none()


def hold_key(session: Session, key: str) -> bool:
    """Hold an idempotency key until the transaction ends. False when another transaction holds it.

    SQLite has one writer at a time: whoever asks there holds everything already.
    """
    if session.get_bind().dialect.name == "sqlite":
        return True
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(func.hashtextextended(key, 0)))))


def hold(session: Session, job_id: UUID) -> None:
    """Let nobody change a job until the transaction ends."""
    session.execute(select(Job.id).where(Job.id == job_id).with_for_update())


def versions(session: Session | Connection, job_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The versions of those jobs that exist. A version grows whenever its job changes."""
    return {row.id: row.version for row in session.execute(_VERSIONS, {"job_ids": job_ids})}


def add(session: Session, job: Job) -> None:
    """Put a new job in the queue."""
    session.add(job)
    session.flush()
    events.add_status(session, job.id, "queued")


def page(session: Session, filters: Filters, *, before: UUID | None, limit: int) -> list[Job]:
    """At most `limit` jobs, newest first, older than `before`."""
    query = _filtered(select(Job), filters, session).order_by(Job.id.desc()).limit(limit)
    return list(session.scalars(query if before is None else query.where(Job.id < before)))


def claim(
    session: Session,
    job_id: UUID,
    *,
    worker_id: UUID,
    process_id: int,
    devices: Sequence[str],
    lease_seconds: float,
) -> Claim | None:
    """Take a queued job that asks for one of the devices. None when it is not to be had."""
    moment, token = now(session), uuid4()
    row = session.execute(
        update(Job)
        .where(Job.id == job_id, Job.status == "queued", Job.device.in_(devices))
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


def for_training(session: Session, job_id: UUID) -> Job:
    """A job that exists, with its checkpoint."""
    return session.scalars(select(Job).where(Job.id == job_id).options(undefer(Job.checkpoint))).one()


def epochs_done(session: Session, mine: Claim) -> int:
    """How many epochs of a claimed job are written. Raises LeaseLost."""
    done = session.scalar(select(Job.epochs_done).where(_owned(mine)))
    if done is None:
        raise LeaseLost
    return done


def beat(session: Session, mine: Claim, lease_seconds: float) -> bool:
    """Extend a lease with nothing to tell. True when the job is to be cancelled. Raises LeaseLost."""
    return extend(session, mine, lease_seconds, version=Job.version)


def extend(session: Session, mine: Claim, lease_seconds: float, **values: Any) -> bool:
    """Write for a claimed job and extend its lease. True when the job is to be cancelled. Raises LeaseLost."""
    until = now(session) + timedelta(seconds=lease_seconds)
    row = session.execute(
        update(Job).where(_owned(mine)).values(lease_until=until, **values).returning(Job.cancel_requested)
    ).one_or_none()
    if row is None:
        raise LeaseLost
    return bool(row.cancel_requested)


def finish(session: Session, mine: Claim, status: str, detail: str | None = None, **values: Any) -> None:
    """End a claimed job. Raises LeaseLost."""
    ended = session.execute(
        update(Job)
        .where(_owned(mine))
        .values(status=status, finished_at=now(session), checkpoint=None, **_RELEASED, **values)
        .returning(Job.id)
    ).one_or_none()
    if ended is None:
        raise LeaseLost
    events.add_status(session, mine.job_id, status, detail)


def put_back(session: Session, mine: Claim, detail: str) -> None:
    """Give a claimed job back to the queue without counting the attempt against it. Raises LeaseLost."""
    back = session.execute(
        update(Job).where(_owned(mine)).values(status="queued", rung_at=None, **_RELEASED).returning(Job.id)
    ).one_or_none()
    if back is None:
        raise LeaseLost
    events.add_status(session, mine.job_id, "queued", detail)


def cancel_queued(session: Session, job_id: UUID) -> bool:
    """End a job that nobody has claimed."""
    ended = session.execute(
        update(Job)
        .where(Job.id == job_id, Job.status == "queued")
        .values(status="cancelled", finished_at=now(session), checkpoint=None)
        .returning(Job.id)
    ).one_or_none()
    if ended:
        events.add_status(session, job_id, "cancelled", "Cancelled before it ran on")
    return ended is not None


def ask_to_cancel(session: Session, job_id: UUID) -> bool:
    """Raise the flag that a running job's next flush reads."""
    asked = session.execute(
        update(Job).where(Job.id == job_id, Job.status == "running").values(cancel_requested=True).returning(Job.id)
    )
    return asked.one_or_none() is not None


def expired(session: Session) -> list[Held]:
    """Running jobs whose lease has run out."""
    return _held(session, Job.lease_until < now(session))


def held_by(session: Session, worker_id: UUID) -> list[Held]:
    """Jobs that a worker's processes run."""
    return _held(session, Job.worker_id == worker_id)


def release_lost(session: Session, held: Held, max_crashes: int) -> bool:
    """Take a job away from an attempt that died: back into the queue, or failed when it died too often.

    True when this call did it: of several reapers one wins, for the token they saw is gone afterwards.
    """
    given_up = held.crashes + 1 >= max_crashes
    outcome = _worker_lost(session) if given_up else {"rung_at": None}
    status = "failed" if given_up else "queued"
    released = session.execute(
        update(Job)
        .where(_owned(held.claim))
        .values(status=status, crashes=Job.crashes + 1, **_RELEASED, **outcome)
        .returning(Job.crashes)
    ).one_or_none()
    if released is None:
        return False
    detail = f"The worker was lost in attempt {held.claim.attempt}"
    events.add_status(session, held.claim.job_id, status, detail)
    return True


def counts(session: Session) -> dict[str, int]:
    """How many jobs there are of each status."""
    rows = session.execute(select(Job.status, func.count().label("number")).group_by(Job.status))
    return {row.status: row.number for row in rows}


def oldest_queued(session: Session) -> dict[str, datetime]:
    """By the device that was asked for: since when the oldest queued job has been there."""
    query = select(Job.device, func.min(Job.created_at).label("oldest")).where(Job.status == "queued")
    return {row.device: row.oldest for row in session.execute(query.group_by(Job.device))}


def unheard(session: Session, *, silent_seconds: float, limit: int) -> list[Unheard]:
    """Queued jobs whose last bell is so long ago that it may be lost, or was never rung; oldest first."""
    moment = now(session) - timedelta(seconds=silent_seconds)
    query = select(Job.id, Job.device, Job.rung_at).where(
        Job.status == "queued", or_(Job.rung_at.is_(None), Job.rung_at < moment)
    )
    rows = session.execute(query.order_by(Job.id).limit(limit))
    return [Unheard(row.id, row.device, row.rung_at is not None) for row in rows]


def note_ring(session: Session, job_ids: Sequence[UUID], *, heard: bool) -> None:
    """Remember when the bell was rung for jobs, or that the broker did not take it."""
    moment = now(session) if heard else None
    session.execute(update(Job).where(Job.id.in_(job_ids)).values(rung_at=moment, version=Job.version))


def remove(session: Session, job_id: UUID) -> bool:
    """Delete a job with all its records, unless it runs."""
    gone = session.execute(delete(Job).where(Job.id == job_id, Job.status != "running").returning(Job.dataset_id))
    dataset_id = gone.scalar_one_or_none()
    if dataset_id is None:
        return False
    datasets.remove_unused(session, dataset_id)
    return True


_VERSIONS = select(Job.id, Job.version).where(Job.id.in_(bindparam("job_ids", expanding=True)))
"""Built once: every poll asks for versions."""
_RELEASED: dict[str, Any] = {"lease_token": None, "lease_until": None, "worker_id": None, "process_id": None}


def _worker_lost(session: Session) -> dict[str, Any]:
    return {
        "finished_at": now(session),
        "checkpoint": None,
        "error_code": "worker_lost",
        "error_detail": "The job was given up: its worker died each time it tried",
    }


def _held(session: Session, condition: ColumnElement[bool]) -> list[Held]:
    query = select(Job.id, Job.attempt, Job.lease_token, Job.process_id, Job.crashes)
    rows = session.execute(query.where(Job.status == "running", condition))
    return [Held(Claim(row.id, row.attempt, row.lease_token), row.process_id, row.crashes) for row in rows]


def _owned(mine: Claim) -> ColumnElement[bool]:
    return and_(Job.id == mine.job_id, Job.lease_token == mine.token, Job.status == "running")


def _filtered(query: Select[tuple[Job]], filters: Filters, session: Session) -> Select[tuple[Job]]:
    wanted = {Job.status: filters.status, Job.name: filters.name, Job.dataset_id: filters.dataset_id}
    query = query.where(*(column == value for column, value in wanted.items() if value is not None))
    return query.where(*(_has_label(key, value, session) for key, value in filters.labels))


def _has_label(key: str, value: str, session: Session) -> ColumnElement[bool]:
    if session.get_bind().dialect.name == "postgresql":
        return type_coerce(Job.labels, JSONB).contains({key: value})
    pairs = func.json_each(Job.labels).table_valued("key", "value")
    return exists(select(1).select_from(pairs).where(pairs.c.key == key, pairs.c.value == value))
