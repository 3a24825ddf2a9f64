"""What is looked at of jobs that are claimed together."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session
from workbench import columns, read

from service.store.database import Database
from service.store.leases import lost_leases
from service.store.tables import Epoch, Job, Step
from service.upkeep import lost_jobs


def remains(database: Database, job_id: UUID) -> Any:
    """All that a run determines, and what the job's history tells."""
    with database.reading() as session:
        epochs = session.scalars(select(Epoch).where(Epoch.job_id == job_id).order_by(Epoch.epoch)).all()
        steps = session.scalars(select(Step).where(Step.job_id == job_id).order_by(Step.epoch, Step.step)).all()
    rows = [[sorted((vars(row) | _NOT_OF_THE_RUN).items()) for row in kind] for kind in (epochs, steps)]
    job = columns(database, job_id) | dict.fromkeys(_OF_THIS_JOB)
    return repr(rows), repr(job), history(database, job_id)


_NOT_OF_THE_RUN = dict.fromkeys(("_sa_instance_state", "job_id", "seconds"))
_OF_THIS_JOB = (
    *("id", "dataset_id", "sweep_id", "group_id", "created_at", "started_at", "finished_at"),
    *("rung_at", "seconds", "plan"),
)


def history(database: Database, job_id: UUID) -> list[tuple[Any, ...]]:
    return [
        (told.seq, told.kind, told.level, told.status, told.code, told.epochs_done, told.detail)
        for told in read(database, job_id).events
    ]


def statuses(database: Database, job_ids: list[UUID]) -> list[str]:
    return [read(database, job_id).status for job_id in job_ids]


def acting_at(number: int, action: Callable[[], Any], train: Callable[..., Any]) -> Callable[..., Any]:
    """Do something before the n-th training."""
    left = [number]

    def act(*arguments: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            action()
        return train(*arguments)

    return act


def die(*_: Any) -> None:
    raise SystemExit


def release_all(database: Database, max_crashes: int = 1) -> list[UUID]:
    """As the reaper of a worker does whose process has died."""
    with database.reading() as session:
        lost = [replace(job, has_expired=False) for job in lost_leases.jobs_of_worker(session, _worker_of(session))]
    return lost_jobs.release_jobs(database, lost, max_crashes=max_crashes)


def _worker_of(session: Session) -> UUID:
    return session.scalars(select(Job.worker_id).where(Job.status == "running").limit(1)).one() or uuid4()
