"""Epoch and step records: written once, read in order."""

from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from service.store.tables import Epoch, Snapshot, Step

Rows = list[dict[str, Any]]
"""As dictionaries by column."""


def add(session: Session, *, epochs: Rows, steps: Rows, snapshots: Rows) -> None:
    for table, rows in ((Epoch, epochs), (Step, steps), (Snapshot, snapshots)):
        if rows:
            session.execute(insert(table), rows)


def latest_snapshot(session: Session, job_id: UUID, epoch: int) -> bytes | None:
    """The state before an epoch, or before the nearest earlier one that has a snapshot."""
    query = select(Snapshot.state).where(Snapshot.job_id == job_id, Snapshot.epoch <= epoch)
    return session.scalar(query.order_by(Snapshot.epoch.desc()).limit(1))


def epochs_after(session: Session, job_id: UUID, epoch: int, limit: int) -> list[Epoch]:
    """At most `limit` epochs that follow the given one, ascending."""
    query = select(Epoch).where(Epoch.job_id == job_id, Epoch.epoch > epoch).order_by(Epoch.epoch).limit(limit)
    return list(session.scalars(query))


def epoch_at(session: Session, job_id: UUID, epoch: int) -> Epoch | None:
    return session.get(Epoch, (job_id, epoch))


def steps_in(session: Session, job_id: UUID, epoch: int, window: range) -> list[Step]:
    """The recorded steps of an epoch within a window, ascending."""
    query = select(Step).where(Step.job_id == job_id, Step.epoch == epoch)
    return list(session.scalars(query.where(Step.step.between(window.start, window.stop - 1)).order_by(Step.step)))
