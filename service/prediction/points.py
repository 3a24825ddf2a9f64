"""Predictions of a job's model: before training, after it, and after any recorded epoch."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from service.errors import InvalidRequest
from service.jobs import jobs
from service.prediction import trained_models
from service.storage import Storage
from slope.spec import Fault
from slope.spec.data import Matrix


@dataclass(frozen=True)
class Prediction:
    """ŷ for one row x (D numbers); None where there is no model yet."""

    x: list[float]
    before: float | None
    after: float | None


def list_predictions(session: Session, job_id: UUID) -> list[Prediction]:
    """Predictions for the points that the job asked for, as its worker recorded them. Raises JobNotFound."""
    recorded = jobs.get_predictions(session, job_id)
    points = [point if isinstance(point, list) else [point] for point in recorded.points]
    unknown: list[float | None] = [None] * len(points)
    before, after = recorded.before or unknown, recorded.after or unknown
    return [Prediction(*row) for row in zip(points, before, after, strict=True)]


def predict_points(session: Session, storage: Storage, job_id: UUID, x: Matrix, epoch: int | None) -> list[Prediction]:
    """Predictions for any rows, each to the bit what a step of training would make of it alone.

    Raises JobHasNoModel, EpochNotFound, and InvalidRequest for a wrong width.
    """
    from slope.model import Parameters, predict_singly  # loads torch, which this process does without until now

    job = jobs.get_job(session, job_id)
    _refuse_other_width(x, len(job.features))
    before, after = (
        predict_singly(Parameters(model.weights.tolist(), model.bias), x, job.training_spec, model.scaler)
        for model in (
            trained_models.untrained_model(job),
            trained_models.trained_model(session, storage, job_id, epoch),
        )
    )
    return [Prediction(*row) for row in zip(x, before, after, strict=True)]


def _refuse_other_width(x: Matrix, features: int) -> None:
    if x and len(x[0]) != features:
        detail = f"A row has {len(x[0])} numbers, the model {features} features"
        raise InvalidRequest(detail, [Fault(detail, "/x/0")])
