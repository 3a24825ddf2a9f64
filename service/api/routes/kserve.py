"""Routes of the Open Inference Protocol, version 2: every succeeded job is a model that its clients can ask."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response

from service.api.dependencies import DatabaseDep, SessionDep, StorageDep
from service.api.document.examples import INFERENCE_REQUESTS
from service.api.document.openapi import document_body
from service.api.guards.route_guards import with_body
from service.api.protocols import kserve
from service.api.protocols.kserve import InferenceAnswer, InferenceRequest
from service.api.schemas.kserve import (
    InferenceAnswerView,
    InferenceModelReadyView,
    InferenceModelView,
    LiveView,
    ReadyView,
    ServerView,
)
from service.prediction import trained_models
from service.storage import Storage
from service.store.connections import condition
from service.store.database import Database
from slope import __version__

router = APIRouter(prefix="/v2", tags=["inference"])

VERSION = "1"
"""A job has one model: it is the first version of itself."""
HeaderLength = Annotated[int | None, Header(alias="Inference-Header-Content-Length", ge=0, lt=2**31)]
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("")
def describe_server() -> ServerView:
    """What this server is and which extensions of the protocol it has."""
    return ServerView(version=__version__, extensions=["binary_tensor_data"])


@router.get("/health/live")
async def is_live() -> LiveView:
    """The server answers. It waits for no thread."""
    return LiveView()


@router.get("/health/ready")
def is_ready(database: DatabaseDep) -> ReadyView:
    """The database answers: models can be asked. 503 while it does not."""
    database.query(condition.ask_database)
    return ReadyView()


@router.get("/models/{job_id}")
@router.get(f"/models/{{job_id}}/versions/{VERSION}", include_in_schema=False)
def describe_model(job_id: UUID, session: SessionDep, storage: StorageDep) -> InferenceModelView:
    """The tensors that a job's model takes and gives: `x` (rows × features) and `y` (rows)."""
    return InferenceModelView.of(trained_models.trained_model(session, storage, job_id))


@router.get("/models/{job_id}/ready")
@router.get(f"/models/{{job_id}}/versions/{VERSION}/ready", include_in_schema=False)
def is_model_ready(job_id: UUID, session: SessionDep, storage: StorageDep) -> InferenceModelReadyView:
    """The job has succeeded: it has a model. 409 while it has not."""
    return InferenceModelReadyView(name=trained_models.trained_model(session, storage, job_id).job_id)


@router.post(
    "/models/{job_id}/infer",
    response_model=InferenceAnswerView,
    responses=_BYTES,
    openapi_extra=document_body(InferenceRequest, INFERENCE_REQUESTS),
)
@router.post(f"/models/{{job_id}}/versions/{VERSION}/infer", include_in_schema=False)
async def infer(
    job_id: UUID, request: Request, database: DatabaseDep, storage: StorageDep, header_length: HeaderLength = None
) -> Response:
    """Predict rows with a job's model.

    With `Inference-Header-Content-Length` the numbers of `x` are bytes behind the JSON (the protocol's binary tensor
    extension), and so are those of `y` where `binary_data` is asked for.
    """
    answer = await with_body(request, partial(_infer, database, storage, job_id, header_length))
    if answer.header_length is None:
        return Response(answer.body, media_type="application/json")
    headers = {"Inference-Header-Content-Length": str(answer.header_length)}
    return Response(answer.body, headers=headers, media_type="application/octet-stream")


def _infer(
    database: Database, storage: Storage, job_id: UUID, header_length: int | None, body: bytes
) -> InferenceAnswer:
    with database.reading() as session:
        model = trained_models.trained_model(session, storage, job_id)
    return kserve.answer_inference(model, body, header_length)
