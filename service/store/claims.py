"""Claiming: who takes what is queued. The guard is in the WHERE of the statement that changes the rows."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, func, insert, select, update
from sqlalchemy.orm import Session

from service.store.database import now
from service.store.group_leases import GroupLease
from service.store.leases import BatchLease, Claimant, JobLease
from service.store.tables import Event, Job


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
    """Take the queued jobs of a group. None when there are none."""
    token, of_group = uuid4(), Job.group_id == group_id
    queued = select(Job.id).where(of_group, *_is_claimable(claimant)).order_by(Job.id).with_for_update()
    together = len(session.scalars(queued).all())  # locked in the order in which everybody locks many
    rows = _claim(
        session, claimant, token, of_group, detail=lambda attempt: f"Attempt {attempt}, with its group of {together}"
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
