"""Leases of groups: jobs that train as one batch of models are claimed, extended and given back together.

All jobs of a claimed group have one token. Whoever writes for them first holds their rows, and so learns which of them
are still its own; the guard is in the WHERE of that question. All who hold many rows take them in the order of the ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, select, update
from sqlalchemy.orm import Session, undefer
from uuid_utils.compat import uuid7

from service.errors import LeaseLost
from service.store import events
from service.store.database import later, now
from service.store.leases import RECORDED, RELEASED
from service.store.tables import Job


@dataclass(frozen=True)
class GroupClaim:
    """The right of one attempt to write for all jobs of a group that were queued."""

    group_id: UUID
    token: UUID


@dataclass(frozen=True)
class Standing:
    """What SQL says of a job of a claimed group."""

    epochs_done: int
    is_cancelled: bool
    """Whether it is to be cancelled."""


@dataclass(frozen=True)
class Ending:
    """How a job of a group ends: its status, and the columns that are known now."""

    job_id: UUID
    status: str
    detail: str | None
    values: dict[str, Any]


def claim(
    session: Session,
    job_id: UUID,
    *,
    worker_id: UUID,
    process_id: int,
    devices: Sequence[str],
    lease_seconds: float,
) -> GroupClaim | None:
    """Take the queued jobs of a job's group. None when it has no group, or nothing of it is to be had."""
    group_id = session.scalar(select(Job.group_id).where(Job.id == job_id))
    if group_id is None:
        return None
    moment, token = now(session), uuid4()
    wanted = (Job.group_id == group_id, Job.status == "queued", Job.device.in_(devices))
    held = select(Job.id).where(*wanted).order_by(Job.id).with_for_update()
    job_ids = list(session.scalars(held))
    taken = session.execute(
        update(Job)
        .where(*wanted)
        .values(
            status="running",
            attempt=Job.attempt + 1,
            lease_token=token,
            lease_until=later(session, lease_seconds),
            worker_id=worker_id,
            process_id=process_id,
            started_at=func.coalesce(Job.started_at, moment),
        )
        .returning(Job.attempt)
    ).all()
    if not taken:
        return None
    events.add_statuses(session, job_ids, "running", f"Attempt {taken[0].attempt}, with its group of {len(taken)}")
    return GroupClaim(group_id, token)


def for_training(session: Session, mine: GroupClaim) -> list[Job]:
    """The jobs of a claimed group by place, with their checkpoints."""
    query = select(Job).where(_owned(mine)).order_by(Job.place)
    return list(session.scalars(query.options(undefer(Job.checkpoint), events.of_jobs)))


def standing(session: Session, mine: GroupClaim) -> dict[UUID, Standing]:
    """The jobs that are this attempt's at this moment."""
    return _standing(session, _standings(mine))


def hold(session: Session, mine: GroupClaim) -> dict[UUID, Standing]:
    """The jobs that are still this attempt's, which nobody else can change until the transaction ends."""
    return _standing(session, _standings(mine).with_for_update())


def beat(session: Session, mine: GroupClaim, lease_seconds: float) -> set[UUID]:
    """Extend a lease with nothing to tell. The jobs that are to be cancelled. Raises LeaseLost."""
    held = hold(session, mine)
    if not held:
        raise LeaseLost
    extended = {"lease_until": later(session, lease_seconds), "version": Job.version}
    session.execute(update(Job).where(_owned(mine)).values(extended))
    return {job_id for job_id, standing in held.items() if standing.is_cancelled}


def extend(session: Session, rows: Sequence[dict[str, Any]], lease_seconds: float) -> None:
    """Record columns of held jobs, the same ones in every row, and extend their lease. Each row has its job's `id`."""
    columns = [name for name in rows[0] if name != "id"]
    table = Job.__table__
    statement = update(Job).where(table.c.id == bindparam("job_id"))
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in columns}
    values |= RECORDED | {"lease_until": later(session, lease_seconds)}
    parameters = [{"job_id": row["id"], **{f"new_{name}": row[name] for name in columns}} for row in rows]
    session.connection().execute(statement.values(values), parameters)


def finish(session: Session, endings: Sequence[Ending]) -> None:
    """End held jobs."""
    moment = now(session)
    for ending in endings:
        values = {"status": ending.status, "finished_at": moment, "checkpoint": None, **RELEASED, **ending.values}
        session.execute(update(Job).where(Job.id == ending.job_id).values(**values))
    for status, detail in dict.fromkeys((ending.status, ending.detail) for ending in endings):
        job_ids = [ending.job_id for ending in endings if (ending.status, ending.detail) == (status, detail)]
        events.add_statuses(session, job_ids, status, detail)


def put_back(session: Session, mine: GroupClaim, detail: str) -> None:
    """Give held jobs back to the queue without counting the attempt against them. Raises LeaseLost."""
    held = hold(session, mine)
    if not held:
        raise LeaseLost
    session.execute(update(Job).where(_owned(mine)).values(status="queued", rung_at=None, **RELEASED))
    events.add_statuses(session, list(held), "queued", detail)


def split(session: Session, mine: GroupClaim, detail: str) -> bool:
    """Give held jobs back to the queue as two groups. False where there are not two, and nothing is changed.

    A model's bits depend on its place and on the width, and not on its neighbours: each goes on where it was.
    """
    held = list(hold(session, mine))
    if len(held) < 2:
        return False
    for half in (held[: len(held) // 2], held[len(held) // 2 :]):
        apart = {"status": "queued", "rung_at": None, "group_id": uuid7(), **RELEASED}
        session.execute(update(Job).where(Job.id.in_(half)).values(apart))
    events.add_statuses(session, held, "queued", detail)
    return True


def _standings(mine: GroupClaim) -> Select[UUID, int, bool]:
    return select(Job.id, Job.epochs_done, Job.cancel_requested).where(_owned(mine)).order_by(Job.id)


def _standing(session: Session, query: Select[UUID, int, bool]) -> dict[UUID, Standing]:
    return {job_id: Standing(done, is_cancelled) for job_id, done, is_cancelled in session.execute(query)}


def _owned(mine: GroupClaim) -> ColumnElement[bool]:
    return and_(Job.group_id == mine.group_id, Job.lease_token == mine.token, Job.status == "running")
