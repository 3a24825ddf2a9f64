"""Leases: the right of one process to write for a job, a group of jobs or a partition of a job's data, for a while.

Whoever claims rows writes a token into them, and every later write has the token in the WHERE of the statement that
changes them: whoever changes no row has lost the lease. One mechanism serves all three forms: this module has what
they have in common and the lease of a job, `group_leases` that of a group, `partitions` that of a partition.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, undefer

from service.errors import LeaseLost
from service.store import datasets, events
from service.store.database import later, now
from service.store.tables import Job, Table

RELEASED: dict[str, Any] = {"lease_token": None, "lease_until": None, "worker_id": None, "process_id": None}
RECORDED: dict[str, Any] = {"crashes": 0, "recorded_in": Job.attempt}
"""A job that advances is not given up, however often its workers die."""


@dataclass(frozen=True)
class Claimant:
    """The process that claims, and for how long."""

    worker_id: UUID
    process_id: int
    devices: Sequence[str]
    """The devices that a job may ask for and get here."""
    lease_seconds: float


@dataclass(frozen=True)
class LeasedJob:
    """What SQL says of a job that is still the lease's."""

    epochs_done: int
    cancel_requested: bool


class Lease(ABC):
    """What all forms have in common. Every write raises LeaseLost when what was claimed is another's now."""

    table: ClassVar[type[Table]]

    @property
    @abstractmethod
    def owned(self) -> ColumnElement[bool]:
        """Which rows of the table are the lease's."""

    @abstractmethod
    def beat(self, session: Session, lease_seconds: float) -> set[UUID]:
        """Extend the lease with nothing to record. Which of its jobs are to be cancelled."""

    def is_cancelled(self, cancelled: set[UUID]) -> bool:
        """Whether nothing is left to do when these jobs are to be cancelled."""
        return False

    def write(
        self,
        session: Session,
        *returning: InstrumentedAttribute[Any],
        condition: ColumnElement[bool] | None = None,
        **values: Any,
    ) -> Sequence[Row[Any]]:
        """Change the lease's rows, and return columns of each."""
        conditions = (self.owned,) if condition is None else (self.owned, condition)
        rows = session.execute(update(self.table).where(*conditions).values(**values).returning(*returning)).all()
        if not rows:
            raise LeaseLost
        return rows


class AttemptLease(Lease):
    """The right of one attempt to train a job, or the jobs of a group."""

    table = Job
    with_numbers = datasets.with_numbers
    """Reads with the jobs those of their datasets, where they are in its row."""

    @property
    @abstractmethod
    def names(self) -> dict[str, Any]:
        """What the log calls it."""

    @abstractmethod
    def fail(self, session: Session, code: str, detail: str) -> None:
        """End what is still the lease's, because the attempt failed."""

    def beat(self, session: Session, lease_seconds: float) -> set[UUID]:
        extended = {"lease_until": later(session, lease_seconds), "version": Job.version}
        rows = self.write(session, Job.id, Job.cancel_requested, **extended)
        return {row.id for row in rows if row.cancel_requested}

    def put_back(self, session: Session, detail: str) -> None:
        """Give the jobs back to the queue without counting the attempt against them."""
        rows = self.write(session, Job.id, status="queued", rung_at=None, **RELEASED)
        events.add_statuses(session, [row.id for row in rows], "queued", detail)

    def leased_jobs(self, session: Session, *, lock: bool = False) -> dict[UUID, LeasedJob]:
        """The jobs that are still the lease's. With `lock` nobody else can change them until the transaction ends."""
        query = select(Job.id, Job.epochs_done, Job.cancel_requested).where(self.owned).order_by(Job.id)
        rows = session.execute(query.with_for_update() if lock else query).all()
        if not rows:
            raise LeaseLost
        return {job_id: LeasedJob(done, is_cancelled) for job_id, done, is_cancelled in rows}

    def jobs_to_train(self, session: Session) -> list[Job]:
        """The jobs with their checkpoints and events, those of a group by place."""
        query = (
            select(Job)
            .where(self.owned)
            .order_by(Job.place)
            .options(undefer(Job.checkpoint), self.with_numbers, events.of_jobs)
        )
        jobs = list(session.scalars(query))
        if not jobs:
            raise LeaseLost
        return jobs


@dataclass(frozen=True)
class JobLease(AttemptLease):
    """The lease of a job that trains by itself."""

    job_id: UUID
    attempt: int
    token: UUID

    @property
    def owned(self) -> ColumnElement[bool]:
        return and_(Job.id == self.job_id, Job.lease_token == self.token, Job.status == "running")

    @property
    def names(self) -> dict[str, Any]:
        return {"job_id": str(self.job_id), "attempt": self.attempt}

    def is_cancelled(self, cancelled: set[UUID]) -> bool:
        return self.job_id in cancelled

    def extend(self, session: Session, lease_seconds: float, **values: Any) -> set[UUID]:
        """Record columns of the job and extend the lease. The job, if it is to be cancelled."""
        lease_until = later(session, lease_seconds)
        [row] = self.write(session, Job.cancel_requested, lease_until=lease_until, **RECORDED, **values)
        return {self.job_id} if row.cancel_requested else set()

    def finish(self, session: Session, status: str, detail: str | None = None, **values: Any) -> None:
        """End the job."""
        self.write(session, Job.id, **ended_columns(session, status), **values)
        events.add_status(session, self.job_id, status, detail)

    def fail(self, session: Session, code: str, detail: str) -> None:
        self.finish(session, "failed", detail, error_code=code, error_detail=detail)


def ended_columns(session: Session, status: str) -> dict[str, Any]:
    """What a job's row has when it has ended."""
    return {"status": status, "finished_at": now(session), "checkpoint": None, **RELEASED}
