"""What a free process looks at before it claims: the job that a bell names, and the jobs that wait in the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, exists, func, select, union_all

from service.store.leases import Claimant
from service.store.tables import Dataset, Job, RowPass, Worker
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
