"""Sweeps, and questions and changes about all of their jobs together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import SQLColumnExpression, and_, delete, func, or_, select
from sqlalchemy.orm import Session

from service.store.jobs import jobs
from service.store.owners import usage
from service.store.tables import Job, Sweep

RANKED: dict[str, SQLColumnExpression[float | None]] = {
    "loss": Job.loss_last,
    "training_loss": func.coalesce(Job.loss_training, Job.loss_last),
    "validation_loss": Job.loss_validation,
    "cross_validation": Job.loss_cross_validation,
}
"""By what jobs can be ranked. While a job trains, its last loss stands for that without penalties."""


@dataclass(frozen=True)
class Rank:
    """A position in a ranking: the loss there, and the job, for losses may be equal."""

    loss: float
    job_id: UUID


def rank_of(job: Job, by: str) -> Rank:
    """Where a job stands in a ranking."""
    found = {
        "loss": job.loss_last,
        "training_loss": job.loss_last if job.loss_training is None else job.loss_training,
        "validation_loss": job.loss_validation,
        "cross_validation": job.loss_cross_validation,
    }[by]
    assert found is not None  # it is ranked
    return Rank(found, job.id)


def find_sweep(session: Session, sweep_id: UUID) -> Sweep | None:
    return session.get(Sweep, sweep_id)


def add_sweep(
    session: Session, sweep: Sweep, rows: Sequence[dict[str, Any]], warnings: Mapping[UUID, Sequence[str]]
) -> None:
    """Put a sweep and its jobs, as dictionaries by column, in the queue, with what is peculiar of each."""
    session.add(sweep)
    session.flush()
    jobs.add_jobs(session, rows, warnings)


def select_sweeps(session: Session, *, before: UUID | None, limit: int) -> list[Sweep]:
    """At most `limit` sweeps, newest first, older than `before`."""
    query = select(Sweep).order_by(Sweep.id.desc()).limit(limit)
    return list(session.scalars(query if before is None else query.where(Sweep.id < before)))


def count_jobs(session: Session, sweep_ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    """How many jobs of each status the sweeps have."""
    query = select(Job.sweep_id, Job.status, func.count().label("number")).where(Job.sweep_id.in_(sweep_ids))
    found: dict[UUID, dict[str, int]] = {sweep_id: {} for sweep_id in sweep_ids}
    for row in session.execute(query.group_by(Job.sweep_id, Job.status)):
        found[row.sweep_id][row.status] = row.number
    return found


def count_epochs(session: Session, sweep_ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """How many epochs the jobs of the sweeps have trained, and how many they are to train at most."""
    sums = (func.sum(Job.epochs_done).label("done"), func.sum(Job.epochs).label("wanted"))
    query = select(Job.sweep_id, *sums).where(Job.sweep_id.in_(sweep_ids)).group_by(Job.sweep_id)
    found = {row.sweep_id: (int(row.done), int(row.wanted)) for row in session.execute(query)}
    return {sweep_id: found.get(sweep_id, (0, 0)) for sweep_id in sweep_ids}


def select_ranked(session: Session, sweep_id: UUID, by: str, *, after: Rank | None, limit: int) -> list[Job]:
    """At most `limit` jobs from the smallest loss up, after a rank; without those that have none, failed or ended."""
    loss = RANKED[by]
    query = select(Job).where(Job.sweep_id == sweep_id, Job.status.not_in(("failed", "cancelled")), loss.is_not(None))
    if after is not None:
        query = query.where(or_(loss > after.loss, and_(loss == after.loss, Job.id > after.job_id)))
    return list(session.scalars(query.order_by(loss, Job.id).limit(limit)))


def remove_sweep(session: Session, sweep_id: UUID) -> set[UUID] | None:
    """Delete a sweep with its jobs and their records. Their datasets; None, and nothing is deleted, while one runs."""
    if session.scalar(select(Job.id).where(Job.sweep_id == sweep_id, Job.status == "running").limit(1)):
        return None
    told = (Job.dataset_id, Job.owner, usage.counted_numbers(session).label("counted"))
    gone = session.execute(delete(Job).where(Job.sweep_id == sweep_id).returning(*told)).all()
    usage.take_off_recorded(session, [(row.owner, row.counted) for row in gone if row.counted])
    session.execute(delete(Sweep).where(Sweep.id == sweep_id))
    return {row.dataset_id for row in gone}
