"""Leases: the right of one process to write, for a while, for jobs, a partition of a job's data, or a pass over it.

Whoever claims rows writes a token into them, and every later write has the token in the WHERE of the statement that
changes them: whoever changes no row has lost the lease. One mechanism serves all forms: this module has what they have
in common and the lease of a job, `group_leases` that of a group, `batch_leases` that of several jobs or groups that are
claimed together, `partitions` that of a partition, `passes` that of a pass.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, case, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, undefer
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.base import ExecutableOption

from service.errors import LeaseLost
from service.store import datasets, events
from service.store.database import later
from service.store.events import (
    BEGINS_LATER,
    RETURNED,
    Ending,
    JobChange,
    LeasedJob,
    Wish,
    change_held_job,
    change_jobs,
    wish_of,
)
from service.store.outbox import IS_HEARD
from service.store.tables import Job, Table


@dataclass(frozen=True)
class Claimant:
    """The process that claims, and for how long."""

    worker_id: UUID
    process_id: int
    devices: Sequence[str]
    """The devices that a job may ask for and get here."""
    lease_seconds: float


def held(by: Any) -> tuple[ColumnElement[bool], ...]:
    """Of jobs that are still those of a lease, by its token."""
    return Job.lease_token == by, Job.status == "running"


class Lease(ABC):
    """What all forms have in common. Every write raises LeaseLost when what was claimed is another's now."""

    table: ClassVar[type[Table]]

    @property
    @abstractmethod
    def owned(self) -> ColumnElement[bool]:
        """Which rows of the table are the lease's."""

    @abstractmethod
    def beat(self, session: Session, lease_seconds: float) -> dict[UUID, Wish]:
        """Extend the lease with nothing to record. Which of its jobs are to be cancelled or paused."""

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
    """The right of one attempt to train jobs."""

    table = Job
    condition: ClassVar[ColumnElement[bool]]
    """Which jobs are those of a lease of this kind, by its parameters, which are not bound."""

    holding: ClassVar[Callable[..., ColumnElement[bool]]]
    """Gives them for parameters that are bound."""

    @property
    @abstractmethod
    def job_ids(self) -> Sequence[UUID]:
        """The jobs that were claimed."""

    @property
    @abstractmethod
    def is_first(self) -> bool:
        """Whether nobody has tried any of the jobs before."""

    @property
    @abstractmethod
    def with_numbers(self) -> ExecutableOption:
        """Reads with the jobs the numbers of their datasets, where they are in its row."""

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """By name, those of the condition."""

    @property
    def owned(self) -> ColumnElement[bool]:
        return self.holding(**self.parameters)

    @property
    @abstractmethod
    def names(self) -> dict[str, Any]:
        """What the log calls it."""

    def beat(self, session: Session, lease_seconds: float) -> dict[UUID, Wish]:
        extended = {"lease_until": later(session, lease_seconds), "version": Job.version}
        rows = self.write(session, Job.id, Job.cancel_requested, Job.pause_requested, **extended)
        wishes = {row.id: wish_of(row.cancel_requested, row.pause_requested) for row in rows}
        return {job_id: wish for job_id, wish in wishes.items() if wish}

    def put_back(
        self, session: Session, detail: str, *, only: Collection[UUID] | None = None, not_begun: Collection[UUID] = ()
    ) -> None:
        """Give the jobs back without counting the attempt against them: to the queue, or as paused where that is asked.

        `only` these of them, and the lease goes on with the others. The time of those that have `not_begun` begins with
        another claim.
        """
        chosen = None if only is None else Job.id.in_(only)
        started = case((Job.id.in_(not_begun), BEGINS_LATER["started_at"]), else_=Job.started_at)
        returned = RETURNED | {"started_at": started} if not_begun else RETURNED
        rows = self.write(session, Job.id, Job.status, Job.epochs_done, condition=chosen, **returned)
        events.add_statuses(session, [row.id for row in rows if row.status == "queued"], "queued", detail)
        events.add_pauses(session, {row.id: row.epochs_done for row in rows if row.status == "paused"})

    def leased_jobs(self, session: Session, *, lock: bool = False) -> dict[UUID, LeasedJob]:
        """The jobs that are still the lease's. With `lock` nobody else can change them until the transaction ends."""
        rows = session.connection().execute(_leased_jobs(self.condition, lock=lock), self.parameters).all()
        if not rows:
            raise LeaseLost
        return {row[0]: LeasedJob(*row[1:]) for row in rows}

    def change(self, session: Session, changes: Sequence[JobChange], lease_seconds: float) -> dict[UUID, Wish]:
        """Change some of the jobs, and extend the lease. Which of its jobs are to be cancelled or paused."""
        locked = self.lock_jobs(session, changes)
        change_jobs(session, changes, locked, lease_seconds)
        return {job_id: job.wish for job_id, job in locked.items() if job.wish}

    def lock_jobs(self, session: Session, changes: Sequence[JobChange]) -> dict[UUID, LeasedJob]:
        """Let nobody else change the lease's jobs, which are to have these changes, until the transaction ends."""
        locked = self.leased_jobs(session, lock=True)
        if any(change.job_id not in locked for change in changes):
            raise LeaseLost
        return locked

    def jobs_to_train(self, session: Session) -> list[Job]:
        """The jobs with their checkpoints and what happened to them in earlier attempts, those of a group by place."""
        options = (self.with_numbers,) if self.is_first else (self.with_numbers, events.of_jobs)
        jobs = list(session.scalars(_jobs_to_train(self.condition, *options), self.parameters))
        if not jobs:
            raise LeaseLost
        if self.is_first:
            for job in jobs:
                set_committed_value(job, "events", [])
        return jobs


class SharedLease(AttemptLease):
    """The lease of several jobs, under one token.

    Whoever writes for them first locks their rows, in the order of the ids as everybody does who locks many, and so
    learns which of them are still its own.
    """

    def write(self, session: Session, *arguments: Any, **values: Any) -> Sequence[Row[Any]]:
        self.leased_jobs(session, lock=True)
        return super().write(session, *arguments, **values)


# Statements that every job runs are built once: to build one takes longer than SQLite takes to run it.


@cache
def _leased_jobs(condition: ColumnElement[bool], *, lock: bool) -> Select[Any]:
    jobs = Job.metadata.tables["jobs"].c
    columns = (jobs.id, jobs.epochs_done, jobs.cancel_requested, jobs.pause_requested, jobs.event_count)
    query = select(*columns, IS_HEARD).where(condition).order_by(jobs.id)
    return query.with_for_update() if lock else query


@cache
def _jobs_to_train(condition: ColumnElement[bool], *options: ExecutableOption) -> Select[Job]:
    query = select(Job).where(condition).options(undefer(Job.checkpoint), *options)
    return query.order_by(Job.place, Job.id)


@dataclass(frozen=True)
class JobLease(AttemptLease):
    """The lease of a job that trains by itself."""

    job_id: UUID
    attempt: int
    token: UUID

    @staticmethod
    def holding(held_job: Any, held_by: Any) -> ColumnElement[bool]:
        return and_(Job.id == held_job, *held(held_by))

    condition = holding(bindparam("held_job"), bindparam("held_by"))

    @property
    def job_ids(self) -> Sequence[UUID]:
        return (self.job_id,)

    @property
    def is_first(self) -> bool:
        return self.attempt == 1

    @property
    def with_numbers(self) -> ExecutableOption:
        return datasets.with_numbers

    @property
    def parameters(self) -> dict[str, Any]:
        return {"held_job": self.job_id, "held_by": self.token}

    @property
    def names(self) -> dict[str, Any]:
        return {"job_id": str(self.job_id), "attempt": self.attempt}

    @property
    def parts(self) -> tuple["JobLease", ...]:
        """As of several that train one after another: it is the lease of one."""
        return (self,)

    def change(self, session: Session, changes: Sequence[JobChange], lease_seconds: float) -> dict[UUID, Wish]:
        """Change the job, and extend the lease. Whether it is to be cancelled or paused."""
        [change] = changes
        changed = change_held_job(session, change, self.condition, self.parameters, lease_seconds)
        if changed is None:
            raise LeaseLost
        return {self.job_id: changed.wish} if changed.wish else {}

    def fail(self, session: Session, code: str, detail: str) -> int:
        """How many jobs have failed: this one."""
        values, ending = {"error_code": code, "error_detail": detail}, Ending("failed", detail)
        self.change(session, [JobChange(self.job_id, values, ending=ending)], 0.0)
        return 1

    def extend(self, session: Session, lease_seconds: float, **values: Any) -> dict[UUID, Wish]:
        """Record columns of the job and extend the lease. Whether it is to be cancelled or paused."""
        return self.change(session, [JobChange(self.job_id, values)], lease_seconds)
