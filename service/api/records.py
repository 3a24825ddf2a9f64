"""Routes for what a job recorded and predicts."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from service import predictions, records
from service.api.dependencies import Limit, SessionDep, require_json
from service.api.views.records import EpochView, PredictionView, StepView
from service.api.views.view import Page
from service.jobs import get
from slope.spec.data import Rows, as_matrix
from slope.spec.job import MAX_PREDICT
from slope.spec.part import Part

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["records"])


class PredictRequest(Part):
    x: Rows = Field(min_length=1, max_length=MAX_PREDICT, examples=[[4.0]])
    """Numbers (one feature), or rows of D numbers."""
    epoch: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    """Predict with the parameters after this epoch instead of the final ones."""


@router.get("/epochs")
def list_epochs(
    job_id: UUID,
    session: SessionDep,
    after: Annotated[int, Query(ge=-1, lt=2**31, description="The last epoch of the page before")] = -1,
    limit: Limit = 50,
) -> Page[EpochView]:
    """The epoch records of a job, ascending."""
    found, following = records.epochs(session, job_id, after=after, limit=limit)
    return Page(data=[EpochView.of(row) for row in found], next=None if following is None else str(following))


@router.get("/epochs/{epoch}/steps")
def list_steps(
    job_id: UUID,
    epoch: Annotated[int, Path(ge=0, lt=2**31)],
    session: SessionDep,
    after: Annotated[int, Query(ge=-1, lt=2**31, description="The last step of the page before")] = -1,
    limit: Limit = 1000,
) -> Page[StepView]:
    """The steps of an epoch, ascending: every batch's loss and gradient, and the parameters before its update.

    Steps that were not recorded are computed again through autograd, to the same bits.
    """
    found, following = records.steps(session, job_id, epoch, after=after, limit=limit)
    views = [StepView.of(each.step, each.rows) for each in found]
    return Page(data=views, next=None if following is None else str(following))


@router.get("/predictions")
def list_predictions(job_id: UUID, session: SessionDep) -> Page[PredictionView]:
    """For every `predict` point of the job: the prediction before training and after it."""
    return Page(data=[PredictionView.of(each) for each in predictions.of_job(get(session, job_id))])


@router.post("/predict", dependencies=[Depends(require_json)])
def predict(job_id: UUID, request: PredictRequest, session: SessionDep) -> Page[PredictionView]:
    """Predict any rows with the job's model, before training and after it or after a recorded epoch."""
    found = predictions.predict(session, job_id, as_matrix(request.x), request.epoch)
    return Page(data=[PredictionView.of(each) for each in found])
