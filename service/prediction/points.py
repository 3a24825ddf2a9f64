"""Predictions of a job's model: before training, after it, and after any recorded epoch."""

from dataclasses import dataclass
from math import isfinite
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from service.errors import InvalidRequest
from service.jobs import jobs
from service.prediction import trained_models
from service.storage import Storage
from slope.spec import Fault
from slope.spec.data import Matrix
from slope.spec.names import counted
from slope.statistics.intervals import Intervals


@dataclass(frozen=True)
class Prediction:
    """ŷ for one row x (D numbers); None where there is no model yet."""

    x: list[float]
    before: float | None
    after: float | None
    bounds: tuple[float | None, float | None] | None = None
    """The lower and the upper one, where intervals were asked for; None where the rows trained on do not tell."""


def list_predictions(session: Session, job_id: UUID) -> list[Prediction]:
    """Predictions for the points that the job asked for, as its worker recorded them. Raises JobNotFound."""
    recorded = jobs.get_predictions(session, job_id)
    points = [point if isinstance(point, list) else [point] for point in recorded.points]
    unknown: list[float | None] = [None] * len(points)
    before, after = recorded.before or unknown, recorded.after or unknown
    return [Prediction(*row) for row in zip(points, before, after, strict=True)]


def predict_points(
    session: Session,
    storage: Storage,
    job_id: UUID,
    x: Matrix,
    epoch: int | None,
    intervals: Intervals | None = None,
) -> list[Prediction]:
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
    bounds = _bounds(intervals, x) if intervals else [None] * len(x)
    return [Prediction(*row) for row in zip(x, before, after, bounds, strict=True)]


def _bounds(intervals: Intervals, x: Matrix) -> list[tuple[float | None, float | None]]:
    told = [[each if isfinite(each) else None for each in ends.tolist()] for ends in intervals.bounds(np.array(x))]
    return list(zip(*told, strict=True))


def _refuse_other_width(x: Matrix, features: int) -> None:
    if x and len(x[0]) != features:
        detail = f"A row has {counted(len(x[0]), 'number')}, the model {counted(features, 'feature')}"
        raise InvalidRequest(detail, [Fault(detail, "/x/0")])
