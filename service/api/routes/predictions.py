"""Routes for what a job's model predicts: points in a request, or the rows of a stored dataset."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self, get_args
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool

from service.api import negotiation
from service.api.dependencies import DatabaseDep, FitsDep, SessionDep, StorageDep, TurnDep, require_json
from service.api.document.examples import PREDICT_REQUESTS
from service.api.files.downloads import predictions_file, stream_file
from service.api.negotiation import page_of_lines
from service.api.schemas.predictions import prediction_line, view_prediction
from service.prediction import datasets, points
from service.prediction.datasets import DatasetToPredict, Scored, Scoring
from service.prediction.intervals import Interval, intervals_of
from service.prediction.points import Prediction
from service.statistics.fits import Fits
from service.storage import Storage
from service.store.database import Database
from slope.answers.predictions import FitsView, FitView, PredictionView, ScoringView
from slope.answers.view import Page
from slope.spec import invalid
from slope.spec.data import Rows, as_matrix
from slope.spec.job import MAX_PREDICT
from slope.spec.part import Part, at_most
from slope.statistics.intervals import Intervals

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["predictions"])

PredictionFormat = Literal["json", "csv", "ndjson", "arrow", "parquet"]
_NAMED = (
    "A row is a list of numbers here, in the order of the features: rows with names are taken by"
    " POST /v1/jobs/{job_id}/invocations, as dataframe_records or instances"
)


def _without_names(rows: Any) -> Any:
    """Refuses rows that are objects, or columns by their names, and says which call takes them."""
    first = rows[0] if isinstance(rows, list) and rows else rows
    if isinstance(first, dict):
        raise invalid(() if first is rows else (0,), _NAMED)
    return rows


class PredictRequest(Part):
    """Points, or a dataset."""

    x: Annotated[Rows | None, BeforeValidator(_without_names), at_most(MAX_PREDICT)] = Field(
        default=None, min_length=1, max_length=MAX_PREDICT, examples=[[4.0]]
    )
    """Numbers (one feature), or rows of D numbers."""
    dataset: DatasetToPredict | None = None
    """A stored dataset."""
    epoch: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    """Predict with the parameters after this epoch instead of the final ones."""
    interval: Interval | None = None
    """Tell an interval with each prediction, about that of the exact solution, whatever the epoch."""

    @model_validator(mode="after")
    def _has_rows(self) -> Self:
        if self.x is None and self.dataset is None:
            raise invalid(("x",), "Give points as x, or a dataset", is_missing=True)
        if self.x is not None and self.dataset is not None:
            raise invalid(("dataset",), "Give points as x or a dataset, not both")
        return self


async def _prediction_format(
    request: Request,
    format: Annotated[PredictionFormat | None, Query(description="What Accept would say, for a link")] = None,
) -> PredictionFormat:
    return negotiation.choose_format(request, get_args(PredictionFormat), format)


@router.get("/predictions", response_model_exclude_unset=True)
def list_predictions(job_id: UUID, session: SessionDep) -> Page[PredictionView]:
    """For every `predict` point of the job: the prediction before training and after it."""
    return Page(data=[view_prediction(each) for each in points.list_predictions(session, job_id)], next=None)


@router.post(
    "/predict",
    response_model=Page[PredictionView] | ScoringView,
    responses=negotiation.document_formats("csv", "ndjson", "arrow", "parquet"),
    dependencies=[Depends(require_json)],
)
async def predict(
    job_id: UUID,
    request: Annotated[PredictRequest, Body(openapi_examples=PREDICT_REQUESTS)],
    format: Annotated[PredictionFormat, Depends(_prediction_format)],
    database: DatabaseDep,
    storage: StorageDep,
    turn: TurnDep,
    fits: FitsDep,
) -> Response:
    """Predict any rows with the job's model, before training and after it or after a recorded epoch.

    Points `x` are computed one by one as training computes them, to the bit. The rows of a `dataset` are computed in
    batches, to rounding, and sent as they are computed; where it has the target with the residual y − after, and with
    the fit (mean squared error and R²) behind them in JSON and in Parquet's footer (as `fit`). As JSON, CSV, NDJSON
    (an item a line), an Arrow stream or Parquet. With an `interval`, every prediction has its bounds, `lower` and
    `upper`: about the prediction of the exact solution, which is `after` where the run came to the minimum.
    """
    do = run_in_threadpool if request.epoch is None else turn  # one that was not recorded is computed again
    return await do(_predictions, database, storage, fits, job_id, request, format)


def _predictions(
    database: Database, storage: Storage, fits: Fits, job_id: UUID, request: PredictRequest, format: PredictionFormat
) -> Response:
    name, asked = f"{job_id}-predictions", request.interval
    intervals = intervals_of(fits, job_id, asked) if asked else None
    if request.dataset is not None:
        scored = datasets.score_dataset(database, storage, job_id, request.dataset, request.epoch, intervals)
        return stream_file(_scored(scored, format), format, name)
    found = _points(database, storage, job_id, request, intervals)
    if format == "json":
        return page_of_lines(map(prediction_line, found))
    return predictions_file(found, format, name)


def _points(
    database: Database, storage: Storage, job_id: UUID, request: PredictRequest, intervals: Intervals | None
) -> list[Prediction]:
    with database.reading() as session:
        return points.predict_points(session, storage, job_id, as_matrix(request.x or []), request.epoch, intervals)


def _scored(scored: Scoring, format: PredictionFormat) -> Iterator[bytes]:
    if format == "json":
        return _document(scored)
    if format == "ndjson":
        return (b"".join(to_json(row) + b"\n" for row in _rows(part)) for part in scored)
    from service.api.files.columns import scored_columns
    from service.api.files.encoding import encode_batches

    metadata = lambda: {"fit": to_json(_fits(scored)).decode()}  # noqa: E731
    return encode_batches(format, scored_columns(scored.nothing).schema, map(scored_columns, scored), metadata)


def _document(scored: Scoring) -> Iterator[bytes]:
    """A ScoringView, of which little is in memory at any time."""
    yield b'{"data":['
    for part in scored:
        yield (b"," if part.start else b"") + to_json(_rows(part))[1:-1]
    yield b'],"next":null,"rows":%d,"fit":%s}' % (scored.rows, to_json(_fits(scored)))


def _fits(scored: Scoring) -> FitsView | None:
    """How well the rows that have been read were predicted."""
    if not scored.has_target:
        return None
    return FitsView(**{name: FitView.model_validate(each) for name, each in scored.fits.items()})


def _rows(part: Scored) -> list[dict[str, float | None]]:
    """ScoredRowViews; numbers that are not finite become null."""
    columns = {"before": part.before, "after": part.after}
    if part.y is not None and part.residuals is not None:
        columns |= {"y": part.y, "residual": part.residuals}
    if part.bounds is not None:
        columns |= dict(zip(("lower", "upper"), part.bounds, strict=True))
    names, numbers = [*columns], zip(*(column.tolist() for column in columns.values()), strict=True)
    return [{"row": row, **dict(zip(names, each, strict=True))} for row, each in enumerate(numbers, part.start)]
