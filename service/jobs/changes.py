"""A job again, with changes; and changes of what a job is called."""

from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.orm import Session

from service.data.damage import find_damage
from service.errors import InvalidRequest
from service.jobs.jobs import Check, check_job, get_job
from service.jobs.starts import Start
from service.store.database import Database
from service.store.jobs import jobs
from service.store.tables import Job
from slope.spec import JobRequest, faults_of
from slope.spec.changes import JobChange, merge_patch
from slope.spec.job import without_start


def describe_job(database: Database, job_id: UUID, change: JobChange, check: Check | None = None) -> None:
    """Change a job's name and metadata, whatever its status. Raises JobNotFound, InvalidRequest and JobHasChanged."""
    with database.writing() as session:
        jobs.lock_job(session, job_id)
        check_job(session, job_id, check)
        job = get_job(session, job_id)
        try:
            metadata = change.of_metadata(job.metadata_)
        except ValidationError as error:
            raise _refused(error, change.model_dump()) from error
        jobs.describe(session, job_id, name=change.of_name(job.name), metadata=metadata)
        session.commit()


def request_again(session: Session, job_id: UUID, patch: dict[str, Any]) -> tuple[JobRequest, Start | None]:
    """The request that a job was made of, on the data that it learnt from, after a merge patch; and where it begins,
    if that is with the state of another's optimizer.

    Raises JobNotFound, JobDamaged and InvalidRequest.
    """
    job = get_job(session, job_id)
    request = _request_of(job)
    if patch.get("initial_from"):
        request["hyperparameters"] = without_start(request["hyperparameters"])
    if isinstance(patch.get("dataset"), dict) and "x" in patch["dataset"]:
        del request["dataset"]  # rows come in the place of stored data, and not beside its id
    changed = merge_patch(request, patch)
    try:
        again = JobRequest.model_validate(changed)
    except ValidationError as error:
        raise find_damage(session, job_id, decodes=False) or _refused(error, changed) from error
    has_state = job.initial_from and job.initial_from["optimizer_state"] and "initial_from" not in patch
    return again, Start.of_rerun(session, job, again) if has_state else None


def _request_of(job: Job) -> dict[str, Any]:
    weighted = {"weights": job.row_weights} if job.row_weights else {}
    return {
        "name": job.name,
        "dataset": {"id": job.dataset_id, "features": job.features, "target": job.target} | weighted,
        "hyperparameters": job.spec,
        "predict": job.predict,
        "device": job.device,
        "timeout_seconds": job.timeout_seconds,
        "cross_validation": job.cross_validation,
        "metadata": job.metadata_,
    }


def _refused(error: ValidationError, document: Any) -> InvalidRequest:
    faults = faults_of(error.errors(include_url=False), document)
    return InvalidRequest(f"The job cannot be changed so: {faults[0].detail}", faults)
