"""Claiming: what there is for a free process, and who takes it.

It looks before it claims, at the job that a bell names and at the jobs that wait: the oldest ones, and the first of
each owner, so that nobody waits behind all jobs of another. The guard is in the WHERE of the statement that changes the
rows.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    Subquery,
    bindparam,
    exists,
    func,
    null,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate as Returning

from service.store import events
from service.store.database import now
from service.store.leases.batches import Claimed, lease_of
from service.store.leases.groups import GroupLease
from service.store.leases.leases import Claimant, JobLease
from service.store.owners.turns import MOST_OWNERS, end_of_lap, first_jobs, owners_with_slots
from service.store.tables import Dataset, Job, RowPass, Worker
from service.store.workers import LIVE_SECONDS
from slope.answers.plan import Plan
from slope.engines.plan import PlanDamaged, kept_plan

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
    owner: str
    width: int
    """How many train together with it and itself."""
    rows: int
    """Of its dataset."""
    folds: int | None
    """Into which its rows are dealt when it has trained; None where no cross-validation was asked for."""

    @cached_property
    def planned(self) -> Plan | None:
        """None where somebody has damaged it, or `features`: whoever trains the job finds what is wrong."""
        try:
            return kept_plan(self.plan) if isinstance(self.features, list) else None
        except PlanDamaged:
            return None

    @property
    def part(self) -> UUID:
        """What it trains in: a group, or itself."""
        return self.group_id or self.id


@dataclass(frozen=True)
class Prospect:
    """What there is to do, as one statement saw it."""

    named: SeenJob | None
    """By the bell. None where there is no such job."""
    queue: Sequence[SeenJob]
    """Some of those that ask for a device that is here: the first of each owner whose turn it is, then the oldest."""
    slots: int
    """How many jobs all live workers train at the same time."""
    memory: int | None
    """Bytes that one training of this worker may take; None when it has not said so."""
    has_passes: bool
    """Whether a look at the rows of the named job has not ended."""
    turns: Sequence[str]
    """Whose turn it is, in this order; empty where all jobs belong to nobody."""
    beyond: str
    """After which owner the next look goes on when all of these have had their turn."""


def find_prospect(
    connection: Connection, job_id: UUID, claimant: Claimant, after: str = "", most_slots: int | None = None
) -> Prospect:
    """Asks once, outside of a transaction: most bells are for a job that somebody has already when many wait.

    `after` is the owner who had the last turn. Owners who have `most_slots` already are left out.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    given = {"job_id": job_id, "devices": claimant.devices, "worker_id": claimant.worker_id, "after": after}
    if is_sqlite:
        given["alive_since"] = datetime.now(UTC) - timedelta(seconds=LIVE_SECONDS)
    rows = connection.execute(_look(is_sqlite=is_sqlite), given).all()
    width = len(SEEN_COLUMNS)
    seen = [SeenJob(*row[:width]) for row in rows if row[0]]
    full = owners_with_slots(connection, most_slots)
    waiting = (job for job in seen if job.status == "queued" and job.device in claimant.devices)
    queue = {job.id: job for job in waiting if job.owner not in full}
    passed = [row for row in rows if row.turn is not None]
    firsts = [row for row in passed if row[0] in queue]
    order = [*(queue.pop(row[0]) for row in firsts), *sorted(queue.values(), key=lambda job: job.id)]
    turns, beyond = [row.turn for row in firsts], end_of_lap([row.turn for row in passed], MOST_OWNERS)
    slots, memory, has_passes = rows[0][width + 1 :] if rows else (None, None, False)
    named = next((job for job in seen if job.id == job_id), None)
    return Prospect(named, order, int(slots or 1), memory, has_passes, turns, beyond)


SEEN_COLUMNS = (
    Job.id,
    Job.status,
    Job.device,
    Job.group_id,
    Job.attempt,
    Job.epochs,
    Job.features,
    Job.plan,
    Job.owner,
    func.coalesce(Job.group_width, 1),
    Dataset.rows,
    Job.cross_validation,
)
"""Of a SeenJob."""


def see_firsts(turns: Subquery, *columns: ColumnElement[Any]) -> Select[Any]:
    """The first job of each owner, then whose turn it is: columns of the job are null where there is none for here."""
    joined = turns.outerjoin(Job, Job.id == turns.c.job_id).outerjoin(Dataset, Job.dataset_id == Dataset.id)
    return select(*SEEN_COLUMNS, turns.c.turn, *columns).select_from(joined)


_JOBS = select(*SEEN_COLUMNS, null().label("turn")).join(Dataset, Job.dataset_id == Dataset.id)
_NAMED = _JOBS.where(Job.id == bindparam("job_id"))
_WAITING = _JOBS.where(Job.status == "queued", Job.device.in_(bindparam("devices", expanding=True)))
_OLDEST = select(_WAITING.order_by(Job.id).limit(_MOST_JOBS).subquery())
_SEEN = union_all(_NAMED, _OLDEST, see_firsts(first_jobs())).subquery()
MEMORY = select(Worker.memory).where(Worker.id == bindparam("worker_id")).scalar_subquery()
_PASSES = exists().where(RowPass.job_id == bindparam("job_id"), RowPass.finished_at.is_(None))


@cache
def _look(*, is_sqlite: bool) -> Select[Any]:
    """Built once, as the statements of a claim are: to build one takes longer than SQLite takes to run it."""
    since = bindparam("alive_since") if is_sqlite else func.clock_timestamp() - timedelta(seconds=LIVE_SECONDS)
    slots = select(func.sum(Worker.slots)).where(Worker.stopped_at.is_(None), Worker.seen_at >= since)
    return select(_SEEN, slots.scalar_subquery(), MEMORY, _PASSES).order_by(_SEEN.c.turn)


def claim_together(
    session: Session, first: SeenJob, companions: Sequence[SeenJob], claimant: Claimant
) -> Claimed | None:
    """Take a job or its group, and others of the same kind along with it. None when the first is not to be had."""
    if first.group_id:
        group_ids = [job.group_id for job in (first, *companions) if job.group_id]
        return claim_groups(session, group_ids, claimant)
    lease = claim_job(session, first.id, claimant)
    return lease and claim_more(session, lease, [job.id for job in companions], claimant)


def claim_job(session: Session, job_id: UUID, claimant: Claimant) -> JobLease | None:
    """Take a queued job that asks for one of the devices. None when it is not to be had, or only with its group."""
    token = uuid4()
    rows = _claim(session, _CLAIM_ONE, claimant, token, claimed_id=job_id)
    return JobLease(job_id, rows[0].attempt, token) if rows else None


def claim_more(session: Session, first: JobLease, job_ids: Sequence[UUID], claimant: Claimant) -> Claimed:
    """Take further jobs along with a claimed one, those of them that are still to be had immediately.

    A row that somebody has locked is left alone: who holds locks and waits for none cannot be part of a deadlock.
    """
    if not job_ids:
        return first
    rows = _claim(session, _CLAIM_FREE, claimant, first.token, claimed_ids=job_ids)
    attempts = {row.id: row.attempt for row in rows}
    more = [JobLease(job_id, attempts[job_id], first.token) for job_id in job_ids if job_id in attempts]
    return lease_of([first, *more])


def claim_groups(session: Session, group_ids: Sequence[UUID], claimant: Claimant) -> Claimed | None:
    """Take queued jobs of groups that stand at the same epoch. None when there are none of the first group.

    Those that were paused may stand elsewhere: they are claimed by themselves. Only the first group is waited for.
    """
    first_id, *more = group_ids
    queued = _lock_group(session, first_id, claimant)
    if not queued:
        return None
    epoch = queued[0].epochs_done
    queued += _lock_free_groups(session, more, claimant) if more else []
    token, sizes = uuid4(), Counter(row.group_id for row in queued if row.epochs_done == epoch)
    how = {group_id: f", with its group of {size}" for group_id, size in sizes.items()}
    claimed = {"claimed_groups": list(sizes), "claimed_epoch": epoch}
    members = defaultdict[UUID, list[Row[Any]]](list)
    for row in _claim(session, _CLAIM_GROUPS, claimant, token, how, **claimed):
        members[row.group_id].append(row)
    leases = [_group_lease(group_id, token, members[group_id]) for group_id in group_ids if group_id in members]
    return lease_of(leases) if leases else None


def _lock_group(session: Session, group_id: UUID, claimant: Claimant) -> list[Row[Any, Any, Any]]:
    """Queued jobs of a group, which nobody else can change until the transaction ends."""
    given = {"claimed_groups": [group_id], "devices": claimant.devices}
    return list(session.connection().execute(_LOCK_GROUPS, given).all())


def _lock_free_groups(session: Session, group_ids: Sequence[UUID], claimant: Claimant) -> list[Row[Any, Any, Any]]:
    """The same of all groups of which nobody has locked a job: who holds locks waits for none."""
    given = {"claimed_groups": group_ids, "devices": claimant.devices}
    connection = session.connection()
    locked = connection.execute(_LOCK_FREE_GROUPS, given).all()
    queued, ours = (Counter(row.group_id for row in rows) for rows in (connection.execute(_GROUPS, given), locked))
    return [row for row in locked if ours[row.group_id] == queued[row.group_id]]


def _group_lease(group_id: UUID, token: UUID, rows: Sequence[Row[Any]]) -> GroupLease:
    return GroupLease(group_id, token, tuple(row.id for row in rows), all(row.attempt == 1 for row in rows))


def _claim(
    session: Session,
    statement: Returning[Any],
    claimant: Claimant,
    token: UUID,
    how: Mapping[UUID, str] = MappingProxyType({}),
    **claimed: Any,
) -> Sequence[Row[Any]]:
    """`how` those of a group are claimed, by group."""
    moment = now(session)
    given = {
        "moment": moment,
        "devices": claimant.devices,
        "new_token": token,
        "new_until": moment + timedelta(seconds=claimant.lease_seconds),
        "new_worker": claimant.worker_id,
        "new_process": claimant.process_id,
    }
    rows = session.connection().execute(statement, given | claimed).all()
    shared = {"at": moment, "kind": "status", "level": "info", "status": "running", "code": None}
    happened = [
        shared
        | {"job_id": row.id, "seq": row.event_count, "epochs_done": row.epochs_done}
        | {"detail": f"Attempt {row.attempt}{how.get(row.group_id, '')}"}
        for row in rows
    ]
    events.tell(session, happened)
    return rows


_JOB = Job.metadata.tables["jobs"]
_CLAIMABLE = (_JOB.c.status == "queued", _JOB.c.device.in_(bindparam("devices", expanding=True)))


def _claiming(*conditions: ColumnElement[bool]) -> Returning[Any]:
    columns = _JOB.c
    return (
        update(_JOB)
        .where(*conditions, *_CLAIMABLE)
        .values(
            status="running",
            attempt=columns.attempt + 1,
            event_count=columns.event_count + 1,
            lease_token=bindparam("new_token"),
            lease_until=bindparam("new_until"),
            worker_id=bindparam("new_worker"),
            process_id=bindparam("new_process"),
            started_at=func.coalesce(columns.started_at, bindparam("moment", type_=columns.started_at.type)),
        )
        .returning(columns.id, columns.attempt, columns.event_count, columns.epochs_done, columns.group_id)
    )


_IDS: BindParameter[Any] = bindparam("claimed_ids", expanding=True)
_FREE = select(_JOB.c.id).where(_JOB.c.id.in_(_IDS), _JOB.c.group_id.is_(None), *_CLAIMABLE).order_by(_JOB.c.id)
_CLAIM_ONE = _claiming(_JOB.c.id == bindparam("claimed_id"), _JOB.c.group_id.is_(None))
_CLAIM_FREE = _claiming(_JOB.c.id.in_(_FREE.with_for_update(skip_locked=True)))
_IN_GROUPS = _JOB.c.group_id.in_(bindparam("claimed_groups", expanding=True))
_GROUPS = select(_JOB.c.id, _JOB.c.group_id, _JOB.c.epochs_done).where(_IN_GROUPS, *_CLAIMABLE)
_LOCK_GROUPS = _GROUPS.order_by(_JOB.c.id).with_for_update()
"""Locked in the order in which everybody locks many."""
_LOCK_FREE_GROUPS = _GROUPS.order_by(_JOB.c.id).with_for_update(skip_locked=True)
_CLAIM_GROUPS = _claiming(_IN_GROUPS, _JOB.c.epochs_done == bindparam("claimed_epoch"))
