"""What can be done with jobs: the decisions and the commits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import random
from typing import Any, Self, TypeVar
from uuid import UUID

import structlog
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from service.data import numbers
from service.data.byte_quotas import Room
from service.data.new_datasets import NewDataset, again_when_gone, ensure_stored
from service.errors import JobHasAlias, JobIsFinal, JobIsRunning, JobNotFound, ServiceError
from service.jobs.drafts import Draft, draft_job
from service.jobs.idempotency import Key
from service.jobs.quotas import Quotas
from service.jobs.starts import Start
from service.queue import Queue
from service.settings import Settings
from service.storage import Storage
from service.store import datasets as stored
from service.store import workers
from service.store.database import Database, DatabaseConnection, now, owner_of, session_on
from service.store.jobs import aliases, bells, jobs
from service.store.jobs.jobs import Outline, Predictions
from service.store.records import bulk
from service.store.tables import Job
from service.tracing import trace_columns
from slope.spec import InlineData, JobRequest
from slope.spec.job import device_for

Found = TypeVar("Found")

log = structlog.get_logger()

_PAUSED = "It is paused until somebody resumes it: POST /v1/jobs/{id}/resume"
Check = Callable[[Job, str | None], None]
"""Raises where a job, and why it waits, are not what is expected."""


@dataclass(frozen=True)
class Submission:
    """An accepted job as it stood then; `replayed` when an earlier request with the same key had created it."""

    job_id: UUID
    version: int
    is_final: bool
    replayed: bool
    job: Job | None = None
    """Where it is known without asking the database again."""
    reason: str | None = None
    """Why that job waits."""

    @classmethod
    def again(cls, job: Job) -> Self:
        """Of what an earlier request had created."""
        return cls(job.id, job.version, job.is_final, replayed=True)


def find_submission(database: Database, request: JobRequest, key: str) -> Submission | None:
    """What an earlier request with the key has created, whatever has become of all that it named."""
    with database.reading() as session:
        job = Key.of(key, request, database.owner).made(session, Job)
        return Submission.again(job) if job else None


@again_when_gone
def submit_job(
    database: Database,
    storage: Storage,
    queue: Queue,
    request: JobRequest,
    *,
    start: Start | None = None,
    key: str | None = None,
    settings: Settings,
) -> Submission:
    """Accept a training job and wake a worker. With a key, the same request twice makes one job."""
    begun = start.begin(request) if start else request
    drafted = draft_job(database, storage, begun, settings, reads_rows=False)
    named = None if key is None else Key.of(key, request, database.owner)
    new = drafted.sample.new_dataset(storage, Room.of(settings))
    with ensure_stored(database, new), database.writing() as session:
        if named and (earlier := named.earlier(session, Job)):
            return Submission.again(earlier)
        owner = owner_of(session)
        recorded = drafted.plan.recorded_numbers
        with Quotas(session, settings, [owner]).taken_or_ended(owner, jobs=1, numbers=recorded):
            job_id = _add(session, drafted, new, named, start)
        session.commit()  # before the bell: the worker must find the row
    if not queue.ring(job_id, request.device):
        forget_rings(database, [job_id])
    return Submission(job_id, version=1, is_final=False, replayed=False)


def rehearse_submission(database: Database, storage: Storage, settings: Settings) -> Job:
    """Submit a job and take it back: the first client then finds everything loaded and connected. The job as it was."""
    own = random()  # the same content, rehearsed by several processes at the same time, would make one wait for another  # noqa: S311
    request = JobRequest(dataset=InlineData(x=[0.0, own], y=[0.0, 1.0]))
    drafted = draft_job(database, storage, request, settings)
    new = drafted.sample.new_dataset(storage)
    with ensure_stored(database, new), database.writing() as session:
        workers.live_crew(session)
        job = get_job(session, _add(session, drafted, new, None), with_events=True)
    numbers.prepare_storage(storage)  # the job above has few numbers, and does without
    return job


def get_job(session: Session, job_id: UUID, *, with_events: bool = False) -> Job:
    return _found(jobs.find_job(session, job_id, with_events=with_events), job_id)


def look_at_job(connection: DatabaseConnection, job_id: UUID) -> tuple[Job, str | None]:
    """A job with what has happened to it, and why it waits, outside a transaction. Raises JobNotFound."""
    with session_on(connection) as session:
        job = get_job(session, job_id, with_events=True)
        return job, waiting_reason(session, job)


def get_job_for_replay(session: Session, job_id: UUID) -> Job:
    """A job with what its steps are computed again from. Raises JobNotFound."""
    return _found(jobs.find_job_for_replay(session, job_id), job_id)


def get_outline(session: Session, job_id: UUID) -> Outline:
    """What is to be known of a job whose records are read. Raises JobNotFound."""
    return _found(jobs.find_outline(session, job_id), job_id)


def get_predictions(session: Session, job_id: UUID) -> Predictions:
    """Of the points that the job asked for. Raises JobNotFound."""
    return _found(jobs.find_predictions(session, job_id), job_id)


def _found(found: Found | None, job_id: UUID) -> Found:
    if found is None:
        raise JobNotFound(job_id)
    return found


def cancel_job(database: Database, job_id: UUID, check: Check | None = None) -> Job:
    """End a waiting job now, or ask the worker of a running one to stop at its next flush."""
    with database.writing() as session:
        jobs.lock_job(session, job_id)  # or it might begin to wait when it is known not to, and so seem to have ended
        check_job(session, job_id, check)
        if not (jobs.cancel_waiting(session, job_id) or jobs.ask_to_cancel(session, job_id)):
            raise JobIsFinal(get_job(session, job_id).status)
        session.commit()
    with database.reading() as session:
        return get_job(session, job_id, with_events=True)


def delete_job(database: Database, storage: Storage, job_id: UUID, check: Check | None = None) -> None:
    """Delete a job with all its records, and the data that came with it; not while it runs or has an alias."""
    with database.writing() as session:
        jobs.lock_job(session, job_id)  # so that nobody gives it an alias meanwhile
        check_job(session, job_id, check)
        dataset_id = jobs.remove_job(session, job_id)
        if dataset_id is None:
            get_job(session, job_id)  # another may have deleted it
            names = aliases.aliases_of(session, job_id)
            raise JobHasAlias(names) if names else JobIsRunning
        removed = stored.remove_inline(session, [dataset_id])
        session.commit()
    for each in removed:
        numbers.release_numbers(database, storage, each)


def check_job(session: Session, job_id: UUID, check: Check | None) -> None:
    """Let the check look at the job as it stands. Raises what it raises, and JobNotFound."""
    if check:
        job = get_job(session, job_id)
        check(job, waiting_reason(session, job))


def waiting_reason(session: Session, job: Job) -> str | None:
    """Why a queued or paused job does not run, in words; None of another."""
    return waiting_reasons(session, [job])[0]


def waiting_reasons(session: Session, found: Sequence[Job]) -> list[str | None]:
    """The same for many jobs, with one look at the workers."""
    devices = workers.live_devices(session) if any(job.status == "queued" for job in found) else {}
    return [reason_to_wait(job, devices) for job in found]


def reason_to_wait(job: Job, devices: Mapping[str, bool]) -> str | None:
    """Why a job waits or is paused. `devices` of live workers, and whether one of those workers hears its broker."""
    if job.status != "queued":
        return _PAUSED if job.status == "paused" else None
    device = device_for(job.device)
    if not devices:
        return "No worker is alive: that of `slope serve` is there within seconds, and `slope worker` starts one"
    if device not in devices:
        return f"No live worker has {job.device}; there is {', '.join(sorted(devices))}"
    if not devices[device]:
        return "No worker hears the broker: each looks for jobs in the database when it is free"
    return "It waits for a free worker"


def _add(session: Session, drafted: Draft, new: NewDataset | None, key: Key | None, start: Start | None = None) -> UUID:
    dataset_id = drafted.sample.lock_dataset(session, new)
    row = row_of_job(drafted, drafted.request, dataset_id, now(session), owner_of(session))
    row |= key.columns if key else {}
    row |= trace_columns()
    if start:
        row |= {"initial_from": start.origin, "checkpoint": start.state}
    jobs.add_job(session, row, drafted.warnings)
    job_id: UUID = row["id"]
    if start and start.state:  # what is not recorded is replayed from there, too
        bulk.add_snapshots(session, [{"job_id": job_id, "epoch": 0, "state": start.state}])
    return job_id


def row_of_job(drafted: Draft, request: JobRequest, dataset_id: UUID, moment: datetime, owner: str) -> dict[str, Any]:
    """Of a new job, by column. The request says what the draft may not: what is asked of the same by another job."""
    sample = drafted.sample
    return {
        "id": uuid7(),
        "owner": owner,
        "created_at": moment,
        "rung_at": moment,
        "name": request.name,
        "dataset_id": dataset_id,
        "features": sample.features,
        "target": sample.target,
        "row_weights": sample.weights,
        "spec": drafted.spec_document,
        "predict": request.predict,
        "device": request.device,
        "timeout_seconds": request.timeout_seconds,
        "cross_validation": request.cross_validation,
        "metadata": request.metadata,
        "plan": dict(vars(drafted.plan)),
        "analysis": drafted.analysis_document,
        "status": "queued",
        "epochs": drafted.request.hyperparameters.epochs,
    }


def forget_rings(database: Database, job_ids: Sequence[UUID]) -> None:
    """Let the reaper know that nobody heard of the jobs. It finds out by itself, but later."""
    try:
        with database.writing() as session:
            bells.note_ring(session, job_ids, heard=False)
            session.commit()
    except ServiceError as error:  # the jobs are accepted, whatever comes now
        log.warning("bells that were not rung could not be noted", jobs=len(job_ids), error=str(error))
