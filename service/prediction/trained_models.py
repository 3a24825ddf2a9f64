"""The models of jobs, as numbers: the one a job ended with, or the one it had after an epoch."""

from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from service.errors import EpochNotFound, InvalidRequest, JobHasNoModel
from service.jobs import jobs
from service.records import replay
from service.storage import Storage
from service.store.tables import Job
from slope.arrays import Array
from slope.data import initial_parameters
from slope.scaling import Scaler
from slope.spec import Fault
from slope.spec.data import default_features
from slope.spec.names import counted
from slope.spec.part import infinite_from
from slope.trained import TrainedModel


def trained_model(session: Session, storage: Storage, job_id: UUID, epoch: int | None = None) -> TrainedModel:
    """The model a job ended with, or the one after an epoch. Raises JobNotFound, JobHasNoModel and EpochNotFound."""
    job = jobs.get_job(session, job_id)
    return _model(job, *(_final(job) if epoch is None else _after(session, storage, job, epoch)), epoch)


def untrained_model(job: Job) -> TrainedModel:
    """The model before the first step."""
    start = initial_parameters(len(job.features), job.training_spec, scaler_of(job))
    return _model(job, *start, None)


def scaler_of(job: Job) -> Scaler | None:
    """What the job's data was standardized with."""
    return Scaler.of(job.scaler) if job.scaler else None


def predict_rows(model: TrainedModel, x: Array, pointer: str = "") -> Array:
    """Predictions (N) for x (N × D), which stands at the pointer. Raises InvalidRequest for too large a number."""
    too_large = np.abs(x) >= infinite_from(model.dtype_of_x)
    if too_large.any():
        detail = f"Row {int(np.argmax(too_large.any(axis=1)))} has a number too large for {model.dtype_of_x}"
        raise InvalidRequest(detail, [Fault(detail, pointer)])
    return model.predict(x)


def _model(job: Job, weights: list[float], bias: float | None, epoch: int | None) -> TrainedModel:
    return TrainedModel(
        job_id=str(job.id),
        weights=np.array(weights, float),
        bias=bias,
        dtype=job.training_spec.dtype,
        target=job.target,
        features=None if job.dataset.is_inline and job.features == default_features(len(weights)) else job.features,
        scaler=scaler_of(job),
        epoch=epoch,
    )


def _final(job: Job) -> tuple[list[float], float | None]:
    if job.status != "succeeded" or job.weights is None:
        detail = f"The job is {job.status}: it has a model once it has succeeded; `epoch` asks for an earlier one"
        raise JobHasNoModel(detail)
    return job.weights, job.bias


def _after(session: Session, storage: Storage, job: Job, epoch: int) -> tuple[list[float], float | None]:
    if epoch >= job.epochs_done:
        raise EpochNotFound(f"Job {job.id} has trained {counted(job.epochs_done, 'epoch')}: there is no epoch {epoch}")
    return replay.parameters_of(session, storage, job, epoch)
