"""Claiming: what there is for a free process, and who takes it.

It looks before it claims, at the job that a bell names and at the jobs that wait. The guard is in the WHERE of the
statement that changes the rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    exists,
    func,
    insert,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from service.store.database import now
from service.store.group_leases import GroupLease
from service.store.leases import BatchLease, Claimant, JobLease
from service.store.tables import Dataset, Event, Job, RowPass, Worker
from service.store.workers import is_alive
from slope.answers.plan import Plan
from slope.engines.plan import kept_plan

_MOST_JOBS = 64
"""Queued jobs that are looked at, the oldest ones."""


@dataclass(frozen=True)
class SeenJob:
    """A job as it was before anybody claimed it."""

    id: UUID
    status: str
    device: str
    group_id: UUID | None
    attempt: int
    epochs: int
    features: list[Any]
    plan: dict[str, Any]
    rows: int
    """Of its dataset."""

    @cached_property
    def planned(self) -> Plan:
        return kept_plan(self.plan)


@dataclass(frozen=True)
class Prospect:
    """What there is to do, as one statement saw it."""

    named: SeenJob | None
    """By the bell. None where there is no such job."""
    queue: Sequence[SeenJob]
    """Some of those that ask for a device that is here, oldest first."""
    slots: int
    """How many jobs all live workers train at the same time."""
    memory: int | None
    """Bytes that one training of this worker may take; None when it has not said so."""
    has_passes: bool
    """Whether a look at the rows of the named job has not ended."""


def find_prospect(connection: Connection, job_id: UUID, claimant: Claimant) -> Prospect:
    """Asks once, outside of a transaction: most bells are for a job that somebody has already when many wait."""
    given = {"job_id": job_id, "devices": claimant.devices, "worker_id": claimant.worker_id}
    rows = connection.execute(_look(connection), given).all()
    seen = [SeenJob(*row[: len(_COLUMNS)]) for row in rows]
    queue = {job.id: job for job in seen if job.status == "queued" and job.device in claimant.devices}
    slots, memory, has_passes = rows[0][len(_COLUMNS) :] if rows else (None, None, False)
    named = next((job for job in seen if job.id == job_id), None)
    return Prospect(named, sorted(queue.values(), key=lambda job: job.id), int(slots or 1), memory, has_passes)


_COLUMNS = (
    Job.id,
    Job.status,
    Job.device,
    Job.group_id,
    Job.attempt,
    Job.epochs,
    Job.features,
    Job.plan,
    Dataset.rows,
)
_JOBS = select(*_COLUMNS).join(Dataset, Job.dataset_id == Dataset.id)
_NAMED = _JOBS.where(Job.id == bindparam("job_id"))
_WAITING = _JOBS.where(Job.status == "queued", Job.device.in_(bindparam("devices", expanding=True)))
_SEEN = union_all(_NAMED, select(_WAITING.order_by(Job.id).limit(_MOST_JOBS).subquery())).subquery()
_MEMORY = select(Worker.memory).where(Worker.id == bindparam("worker_id")).scalar_subquery()


_PASSES = exists().where(RowPass.job_id == bindparam("job_id"), RowPass.finished_at.is_(None))


def _look(connection: Connection) -> Select[Any]:
    slots = select(func.sum(Worker.slots)).where(is_alive(connection)).scalar_subquery()
    return select(_SEEN, slots, _MEMORY, _PASSES)


def claim_job(session: Session, job_id: UUID, claimant: Claimant) -> JobLease | None:
    """Take a queued job that asks for one of the devices. None when it is not to be had, or only with its group."""
    token = uuid4()
    rows = _claim(session, claimant, token, Job.id == job_id, Job.group_id.is_(None))
    return JobLease(job_id, rows[0].attempt, token) if rows else None


def claim_more(session: Session, first: JobLease, job_ids: Sequence[UUID], claimant: Claimant) -> JobLease | BatchLease:
    """Take further jobs along with a claimed one, those of them that are still to be had immediately.

    A row that somebody has locked is left alone: who holds locks and waits for none cannot be part of a deadlock.
    """
    if not job_ids:
        return first
    here = (Job.id.in_(job_ids), Job.group_id.is_(None), *_is_claimable(claimant))
    free = select(Job.id).where(*here).order_by(Job.id).with_for_update(skip_locked=True)
    attempts = {row.id: row.attempt for row in _claim(session, claimant, first.token, Job.id.in_(free))}
    more = [JobLease(job_id, attempts[job_id], first.token) for job_id in job_ids if job_id in attempts]
    return BatchLease((first, *more)) if more else first


def claim_group(session: Session, group_id: UUID, claimant: Claimant) -> GroupLease | None:
    """Take queued jobs of a group that stand at the same epoch. None when there are none.

    Those that were paused may stand elsewhere: they are claimed by themselves.
    """
    queued = select(Job.id, Job.epochs_done).where(Job.group_id == group_id, *_is_claimable(claimant))
    # Locked in the order in which everybody locks many.
    standing = {row.id: row.epochs_done for row in session.execute(queued.order_by(Job.id).with_for_update())}
    if not standing:
        return None
    token, epoch = uuid4(), next(iter(standing.values()))
    together = sum(done == epoch for done in standing.values())
    of_group = (Job.group_id == group_id, Job.epochs_done == epoch)
    rows = _claim(
        session, claimant, token, *of_group, detail=lambda attempt: f"Attempt {attempt}, with its group of {together}"
    )
    return GroupLease(group_id, token) if rows else None


def _claim(
    session: Session,
    claimant: Claimant,
    token: UUID,
    *conditions: ColumnElement[bool],
    detail: Callable[[int], str] = "Attempt {}".format,
) -> Sequence[Row[UUID, int, int, int]]:
    moment = now(session)
    rows = session.execute(
        update(Job)
        .where(*conditions, *_is_claimable(claimant))
        .values(
            status="running",
            attempt=Job.attempt + 1,
            event_count=Job.event_count + 1,
            lease_token=token,
            lease_until=moment + timedelta(seconds=claimant.lease_seconds),
            worker_id=claimant.worker_id,
            process_id=claimant.process_id,
            started_at=func.coalesce(Job.started_at, moment),
        )
        .returning(Job.id, Job.attempt, Job.event_count, Job.epochs_done)
    ).all()
    shared = {"at": moment, "kind": "status", "level": "info", "status": "running", "code": None}
    happened = [
        shared
        | {"job_id": row.id, "seq": row.event_count, "epochs_done": row.epochs_done, "detail": detail(row.attempt)}
        for row in rows
    ]
    if happened:
        session.execute(insert(Event), happened)
    return rows


def _is_claimable(claimant: Claimant) -> tuple[ColumnElement[bool], ...]:
    return Job.status == "queued", Job.device.in_(claimant.devices)
