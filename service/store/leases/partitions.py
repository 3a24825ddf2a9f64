"""Partitions of a job's data: each is leased to one process, and what that makes of it stays with the job.

A partition belongs to the job, not to the attempt: what is reduced need not be reduced again, whoever leads.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from service.store.database import later, now
from service.store.events import Wish
from service.store.leases.leases import Claimant, Lease
from service.store.tables import Job, Partition

_FETCHED = 8


@dataclass(frozen=True)
class PartitionLease(Lease):
    """The right of one process to reduce some rows of a job's data."""

    table = Partition

    job_id: UUID
    number: int
    token: UUID
    rows: range

    @property
    def owned(self) -> ColumnElement[bool]:
        return and_(
            Partition.job_id == self.job_id, Partition.number == self.number, Partition.lease_token == self.token
        )

    def beat(self, session: Session, lease_seconds: float) -> dict[UUID, Wish]:
        """Extend the lease. Raises LeaseLost also where nobody waits for the partition any more."""
        is_wanted = exists().where(Job.id == self.job_id, Job.status.in_(("running", "queued")), ~_is_to_stop)
        self.write(session, Partition.number, condition=is_wanted, lease_until=later(session, lease_seconds))
        return {}

    def finish(self, session: Session, reduced: bytes, seconds: float) -> None:
        """Keep what the partition was reduced to. The token stays, so that this can be repeated."""
        self.write(session, Partition.number, lease_until=None, reduced=reduced, seconds=seconds)

    def put_back(self, session: Session) -> None:
        """Let others have the partition, which is not reduced."""
        self.write(session, Partition.number, **_FREE)


def cut_job(session: Session, job_id: UUID, ranges: Sequence[range]) -> None:
    """Cut a job's data into partitions, unless an earlier attempt has, which may have cut it otherwise."""
    if sum(count_partitions(session, job_id)):
        return
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    rows = [
        {"job_id": job_id, "number": number, "first_row": part.start, "rows": len(part)}
        for number, part in enumerate(ranges)
    ]
    session.execute(insert(Partition).values(rows).on_conflict_do_nothing())


def claim_partition(session: Session, job_id: UUID, token: UUID, claimant: Claimant) -> PartitionLease | None:
    """Take a partition of a running job that nobody has. None where there is none, or the job is to stop.

    Asked again with the same token, it gives what the token was given: the answer to a commit can be lost.
    """
    is_running = exists().where(Job.id == job_id, Job.status == "running", ~_is_to_stop)
    each = aliased(Partition)
    first_free = (
        select(each.number)
        .where(each.job_id == job_id, each.reduced.is_(None), is_running)
        .where(or_(each.lease_until.is_(None), each.lease_until < now(session), each.lease_token == token))
        .order_by(case((each.lease_token == token, 0), else_=1), each.number)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = session.execute(
        update(Partition)
        .where(Partition.job_id == job_id, Partition.number == first_free.scalar_subquery())
        .values(
            lease_token=token,
            lease_until=later(session, claimant.lease_seconds),
            worker_id=claimant.worker_id,
        )
        .returning(Partition.number, Partition.first_row, Partition.rows)
    ).one_or_none()
    if row is None:
        return None
    number, first_row, rows = row
    return PartitionLease(job_id, number, token, range(first_row, first_row + rows))


def release_partitions(session: Session, job_id: UUID, worker_id: UUID | None = None) -> None:
    """Let others have what a worker, or any, has taken and not reduced: its process is gone, or has left it."""
    taken = update(Partition).where(Partition.job_id == job_id, Partition.reduced.is_(None))
    session.execute((taken if worker_id is None else taken.where(Partition.worker_id == worker_id)).values(**_FREE))


def count_partitions(session: Session, job_id: UUID) -> tuple[int, int]:
    """How many partitions of a job are reduced, and how many are not."""
    query = select(func.count(Partition.reduced), func.count()).where(Partition.job_id == job_id)
    done, all_of_them = session.execute(query).one()
    return done, all_of_them - done


def reduced_partitions(session: Session, job_id: UUID) -> Iterator[bytes]:
    """What all partitions of a job were reduced to, in their order, a few of them in memory at a time."""
    query = select(Partition.reduced).where(Partition.job_id == job_id).order_by(Partition.number)
    for each in session.scalars(query.execution_options(yield_per=_FETCHED)):
        assert each is not None  # the leader has seen to it
        yield each


_is_to_stop = or_(Job.cancel_requested, Job.pause_requested)
_FREE: dict[str, Any] = {"lease_token": None, "lease_until": None, "worker_id": None}
