"""Claiming: who takes what is queued. The guard is in the WHERE of the statement that changes the rows."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, func, select, update
from sqlalchemy.orm import Session

from service.store import events
from service.store.database import now
from service.store.group_leases import GroupLease
from service.store.leases import Claimant, JobLease
from service.store.tables import Job


def claim_job(session: Session, job_id: UUID, claimant: Claimant) -> JobLease | None:
    """Take a queued job that asks for one of the devices. None when it is not to be had, or only with its group."""
    token = uuid4()
    rows = _claim(session, claimant, token, Job.id == job_id, Job.group_id.is_(None))
    if not rows:
        return None
    [row] = rows
    events.add_status(session, job_id, "running", f"Attempt {row.attempt}")
    return JobLease(job_id, row.attempt, token)


def claim_group(session: Session, group_id: UUID, claimant: Claimant) -> GroupLease | None:
    """Take the queued jobs of a group. None when there are none."""
    token, of_group = uuid4(), Job.group_id == group_id
    queued = select(Job.id).where(of_group, *_is_claimable(claimant)).order_by(Job.id).with_for_update()
    session.scalars(queued).all()  # locked in the order in which everybody locks many
    rows = _claim(session, claimant, token, of_group)
    if not rows:
        return None
    detail = f"Attempt {rows[0].attempt}, with its group of {len(rows)}"
    events.add_statuses(session, [row.id for row in rows], "running", detail)
    return GroupLease(group_id, token)


def _claim(
    session: Session, claimant: Claimant, token: UUID, *conditions: ColumnElement[bool]
) -> Sequence[Row[UUID, int]]:
    moment = now(session)
    return session.execute(
        update(Job)
        .where(*conditions, *_is_claimable(claimant))
        .values(
            status="running",
            attempt=Job.attempt + 1,
            lease_token=token,
            lease_until=moment + timedelta(seconds=claimant.lease_seconds),
            worker_id=claimant.worker_id,
            process_id=claimant.process_id,
            started_at=func.coalesce(Job.started_at, moment),
        )
        .returning(Job.id, Job.attempt)
    ).all()


def _is_claimable(claimant: Claimant) -> tuple[ColumnElement[bool], ...]:
    return Job.status == "queued", Job.device.in_(claimant.devices)
