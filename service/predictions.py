"""Predictions of a job's model: before training, after it, and after any recorded epoch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from service import jobs, replay
from service.errors import EpochNotFound, InvalidRequest, JobHasNoModel
from service.storage import Storage
from service.store import records
from service.store.tables import Job
from slope.data import Scaler, initial_parameters
from slope.spec import Fault, TrainingSpec
from slope.spec.data import Matrix

if TYPE_CHECKING:
    from slope.model import Parameters


@dataclass(frozen=True)
class Prediction:
    """ŷ for one row x (D numbers); None where there is no model yet."""

    x: list[float]
    before: float | None
    after: float | None


def of_job(job: Job) -> list[Prediction]:
    """Predictions for the points that the job asked for, as its worker recorded them."""
    points = [point if isinstance(point, list) else [point] for point in job.predict]
    unknown: list[float | None] = [None] * len(points)
    before, after = job.predictions_before or unknown, job.predictions_after or unknown
    return [Prediction(*row) for row in zip(points, before, after, strict=True)]


def predict(session: Session, storage: Storage, job_id: UUID, x: Matrix, epoch: int | None) -> list[Prediction]:
    """Predictions for any rows. Raises JobHasNoModel, EpochNotFound, and InvalidRequest for a wrong width."""
    from slope.model import Parameters, predict  # loads torch, which this process does without until now

    job = jobs.get(session, job_id)
    spec, scaler = TrainingSpec.model_validate(job.spec), scaler_of(job)
    _refuse_other_width(x, len(job.features))
    start = Parameters(*initial_parameters(len(job.features), spec))
    trained = _final_parameters(job) if epoch is None else _parameters_after(session, storage, job, epoch)
    before, after = predict(start, x, spec, scaler), predict(trained, x, spec, scaler)
    return [Prediction(*row) for row in zip(x, before, after, strict=True)]


def scaler_of(job: Job) -> Scaler | None:
    """What the job's data was standardized with."""
    return Scaler(np.array(job.scaler["means"]), np.array(job.scaler["deviations"])) if job.scaler else None


def _final_parameters(job: Job) -> "Parameters":
    from slope.model import Parameters

    if job.status != "succeeded":
        detail = f"The job is {job.status}: it has a model once it has succeeded; `epoch` asks for an earlier one"
        raise JobHasNoModel(detail)
    return Parameters(job.weights, job.bias)


def _parameters_after(session: Session, storage: Storage, job: Job, epoch: int) -> "Parameters":
    from slope.model import Parameters

    if epoch >= job.epochs_done:
        raise EpochNotFound(f"Job {job.id} has trained {job.epochs_done} epochs: there is no epoch {epoch}")
    recorded = records.epoch_at(session, job.id, epoch)
    if recorded:
        return Parameters(recorded.weights, recorded.bias)
    return replay.parameters_after(session, storage, job, epoch)


def _refuse_other_width(x: Matrix, features: int) -> None:
    if x and len(x[0]) != features:
        detail = f"A row has {len(x[0])} numbers, the model {features} features"
        raise InvalidRequest(detail, [Fault(detail, "/x/0")])
