"""Passes over the rows of jobs that have ended: each is leased to one process, and what it found stays with the job."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, undefer

from service.store.database import later, now
from service.store.events import Wish
from service.store.leases.leases import Claimant, Lease
from service.store.tables import RowPass

BELL = "cpu"
"""The device whose bell is rung for passes: every worker has it."""


@dataclass(frozen=True)
class PassLease(Lease):
    """The right of one process to make a pass."""

    table = RowPass

    job_id: UUID
    name: str
    token: UUID
    attempt: int

    @property
    def owned(self) -> ColumnElement[bool]:
        return and_(RowPass.job_id == self.job_id, RowPass.name == self.name, RowPass.lease_token == self.token)

    def beat(self, session: Session, lease_seconds: float) -> dict[UUID, Wish]:
        self.write(session, RowPass.name, lease_until=later(session, lease_seconds))
        return {}

    def finish(self, session: Session, result: dict[str, Any]) -> None:
        """Keep what was found. The token stays, so that this can be repeated."""
        self.write(session, RowPass.name, lease_until=None, finished_at=now(session), result=result)

    def fail(self, session: Session, error_type: str, detail: str) -> None:
        ended: dict[str, Any] = {"lease_until": None, "finished_at": now(session)}
        self.write(session, RowPass.name, **ended, error_type=error_type, error_detail=detail)

    def put_back(self, session: Session) -> None:
        """Let others make it, without counting this attempt."""
        self.write(session, RowPass.name, attempt=RowPass.attempt - 1, rung_at=None, **_FREE)


def find_pass(session: Session, job_id: UUID, name: str) -> RowPass | None:
    """With what it found."""
    return session.get(RowPass, (job_id, name), options=[undefer(RowPass.result)])


def add_pass(session: Session, job_id: UUID, name: str, **found: Any) -> None:
    """Note a pass that is to be made, or with what it found; not where there is one."""
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    row = {"job_id": job_id, "name": name, **found}
    session.execute(insert(RowPass).values(row).on_conflict_do_nothing())


def keep_result(session: Session, job_id: UUID, name: str, result: dict[str, Any]) -> None:
    """Of a pass that was made where it was asked for."""
    add_pass(session, job_id, name, finished_at=now(session), result=result)


def forget_failure(session: Session, job_id: UUID, name: str) -> None:
    """Let a pass that failed be made again."""
    again = {"finished_at": None, "error_type": None, "error_detail": None, "attempt": 0, "rung_at": None}
    failed = (RowPass.job_id == job_id, RowPass.name == name, RowPass.error_type.is_not(None))
    session.execute(update(RowPass).where(*failed).values(**again, **_FREE))


def claim_pass(session: Session, job_id: UUID, token: UUID, claimant: Claimant) -> PassLease | None:
    """Take a pass of a job that nobody makes. None where there is none.

    Asked again with the same token, it gives what the token was given: the answer to a commit can be lost.
    """
    first_free = (
        select(RowPass.name)
        .where(RowPass.job_id == job_id, RowPass.finished_at.is_(None), _is_free(session, token))
        .order_by(case((RowPass.lease_token == token, 0), else_=1), RowPass.name)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = session.execute(
        update(RowPass)
        .where(RowPass.job_id == job_id, RowPass.name == first_free.scalar_subquery())
        .values(
            attempt=RowPass.attempt + 1,
            lease_token=token,
            lease_until=later(session, claimant.lease_seconds),
            worker_id=claimant.worker_id,
        )
        .returning(RowPass.name, RowPass.attempt)
    ).one_or_none()
    return None if row is None else PassLease(job_id, row.name, token, row.attempt)


def open_passes(session: Session, *, limit: int, silent_seconds: float | None = None) -> list[UUID]:
    """Jobs with passes that nobody makes; of those alone whose bell was rung longer ago than that."""
    query = select(RowPass.job_id).where(RowPass.finished_at.is_(None), _is_free(session, None))
    if silent_seconds is not None:
        moment = now(session) - timedelta(seconds=silent_seconds)
        query = query.where(or_(RowPass.rung_at.is_(None), RowPass.rung_at < moment))
    return list(session.scalars(query.distinct().limit(limit)))


def note_rings(session: Session, job_ids: Sequence[UUID]) -> None:
    """Remember when the bell was rung for passes of jobs."""
    session.execute(
        update(RowPass).where(RowPass.job_id.in_(job_ids), RowPass.finished_at.is_(None)).values(rung_at=now(session))
    )


def _is_free(session: Session, token: UUID | None) -> ColumnElement[bool]:
    free = or_(RowPass.lease_until.is_(None), RowPass.lease_until < now(session))
    return free if token is None else or_(free, RowPass.lease_token == token)


_FREE: dict[str, Any] = {"lease_token": None, "lease_until": None, "worker_id": None}
