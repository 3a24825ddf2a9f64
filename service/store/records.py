"""Epoch and step records: written once, read in order."""

from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from service.store.tables import Epoch, Step


def add(session: Session, epochs: list[dict[str, Any]], steps: list[dict[str, Any]]) -> None:
    """Write rows of both tables, as dictionaries by column."""
    for table, rows in ((Epoch, epochs), (Step, steps)):
        if rows:
            session.execute(insert(table), rows)


def epochs_after(session: Session, job_id: UUID, epoch: int, limit: int) -> list[Epoch]:
    """At most `limit` epochs that follow the given one, ascending."""
    query = select(Epoch).where(Epoch.job_id == job_id, Epoch.epoch > epoch).order_by(Epoch.epoch).limit(limit)
    return list(session.scalars(query))


def epoch_at(session: Session, job_id: UUID, epoch: int) -> Epoch | None:
    return session.get(Epoch, (job_id, epoch))


def steps_after(session: Session, job_id: UUID, epoch: int, step: int, limit: int) -> list[Step]:
    """At most `limit` recorded steps of an epoch that follow the given one, ascending."""
    query = select(Step).where(Step.job_id == job_id, Step.epoch == epoch, Step.step > step)
    return list(session.scalars(query.order_by(Step.step).limit(limit)))
