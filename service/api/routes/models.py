"""The route for a job's model, in the shapes that other tools read."""

from collections.abc import Callable
from typing import Annotated, Literal, get_args
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service.api import negotiation
from service.api.dependencies import DatabaseDep, StorageDep, TurnDep
from service.api.negotiation import MEDIA_TYPES, json_response
from service.errors import ExportNotInstalled
from service.prediction import trained_models
from service.storage import Storage
from service.store.database import Database
from slope.answers.models import ModelView
from slope.export.json_document import to_json
from slope.export.onnx_file import to_onnx
from slope.export.safetensors_file import to_safetensors
from slope.export.skops_file import to_skops
from slope.trained import TrainedModel

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["models"])

ModelFormat = Literal["json", "safetensors", "onnx", "skops"]
_WRITERS: dict[str, Callable[[TrainedModel], bytes]] = {
    "safetensors": to_safetensors,
    "onnx": to_onnx,
    "skops": to_skops,
}


async def _model_format(
    request: Request,
    format: Annotated[ModelFormat | None, Query(description="What Accept would say, for a link")] = None,
) -> ModelFormat:
    return negotiation.choose_format(request, get_args(ModelFormat), format)


@router.get("/model", response_model=ModelView, responses=negotiation.document_formats("safetensors", "onnx", "skops"))
async def get_model(
    job_id: UUID,
    database: DatabaseDep,
    storage: StorageDep,
    turn: TurnDep,
    format: Annotated[ModelFormat, Depends(_model_format)],
    epoch: Annotated[int | None, Query(ge=0, lt=2**31, description="After this epoch, not after the last")] = None,
) -> Response:
    """The model of a succeeded job, or the one it had after an epoch.

    As JSON; as safetensors (`application/octet-stream`: `weights`, `bias`, `means`, `deviations`, and metadata); as
    ONNX (`application/onnx`: `x` to `y`, a scaler within); or as scikit-learn's LinearRegression in a skops file
    (`application/zip`).
    """
    do = run_in_threadpool if epoch is None else turn  # one that was not recorded is computed again
    return await do(_model, database, storage, job_id, epoch, format)


def _model(database: Database, storage: Storage, job_id: UUID, epoch: int | None, format: ModelFormat) -> Response:
    with database.reading() as session:
        model = trained_models.trained_model(session, storage, job_id, epoch)
    if format == "json":
        return json_response(ModelView.model_validate(to_json(model)))
    headers = {"Content-Disposition": f'attachment; filename="{job_id}.{format}"'}
    return Response(_written(model, format), media_type=MEDIA_TYPES[format], headers=headers)


def _written(model: TrainedModel, format: ModelFormat) -> bytes:
    try:
        return _WRITERS[format](model)
    except ModuleNotFoundError as error:
        raise ExportNotInstalled(error.name or format) from error
