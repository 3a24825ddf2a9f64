"""The route that scores as an MLflow model server does."""

from functools import partial
from uuid import UUID

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from service.api.dependencies import DatabaseDep, SessionDep, StorageDep
from service.api.document.examples import INVOCATIONS
from service.api.document.openapi import document_body
from service.api.guards.route_guards import with_body
from service.api.negotiation import json_response
from service.api.protocols import mlflow
from service.api.protocols.mlflow import Invocation
from service.api.request_bodies.json_body import parse_body
from service.errors import UnsupportedMediaType
from service.jobs.jobs import get_job
from service.prediction import trained_models
from service.storage import Storage
from service.store.database import Database
from slope import __version__
from slope.answers.predictions import InvocationAnswer

log = structlog.get_logger()
router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["inference"])


@router.post(
    "/invocations",
    response_model=InvocationAnswer,
    openapi_extra=document_body(Invocation, INVOCATIONS, "text/csv"),
)
async def invoke(job_id: UUID, request: Request, database: DatabaseDep, storage: StorageDep) -> Response:
    """Predict rows as MLflow's model servers take them.

    JSON with one of `dataframe_split`, `dataframe_records`, `instances` and `inputs`, or `text/csv` with a header.
    Columns are found by the names of the features; others are left out.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return await with_body(request, partial(_invoke, database, storage, job_id, kind))


@router.get("/ping", response_class=PlainTextResponse)
def ping(job_id: UUID, session: SessionDep, storage: StorageDep) -> str:
    """The job has a model that can be asked, as MLflow's clients look for it. 409 while it has none."""
    trained_models.trained_model(session, storage, job_id)
    return "\n"


@router.get("/version", response_class=PlainTextResponse)
def tell_version(job_id: UUID, session: SessionDep) -> str:
    """The version of Slope, where MLflow's servers have theirs."""
    get_job(session, job_id)
    return __version__


def _invoke(database: Database, storage: Storage, job_id: UUID, kind: str, body: bytes) -> Response:
    with database.reading() as session:
        model, features = trained_models.trained_model(session, storage, job_id), get_job(session, job_id).features
    if kind == "text/csv":
        x = mlflow.matrix_of_csv(body, features)
    elif kind == "application/json":
        invocation = parse_body(Invocation, body)
        if invocation.params:
            log.warning("params of an invocation were ignored: the model has none", job_id=str(job_id))
        x = mlflow.matrix_of(invocation, features)
    else:
        raise UnsupportedMediaType(f"The body is {kind or 'of no named type'}: send application/json or text/csv")
    return json_response(InvocationAnswer(predictions=trained_models.predict_rows(model, x).tolist()))
