"""Routes for what a statistician asks of a job's exact solution."""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Annotated, Any, Literal, TypeVar, get_args
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from service.api import negotiation
from service.api.dependencies import FitsDep, SettingsDep, SurfacesDep, Turn, TurnDep, WaitDep
from service.api.files.statistics import rows_as_csv
from service.api.negotiation import MEDIA_TYPES
from service.errors import PassUnderway
from service.settings import Settings
from service.statistics.paths import LEAST_L1_RATIO
from slope.answers.path import Path, Penalty
from slope.answers.statistics import Coefficient, Influence, InfluentialRow, Measure, Statistics, UnderwayView
from slope.answers.surface import Surface
from slope.spec.faults import in_words
from slope.spec.job import MAX_FOLDS
from slope.statistics.covariance import NONROBUST
from slope.statistics.influence import MOST_TOLD
from slope.statistics.path import path_as_csv
from slope.statistics.text import text_of, text_of_influence

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["statistics"])

StatisticsFormat = Literal["json", "csv", "text"]

Level = Annotated[float, Query(gt=0, lt=1, description="With which probability intervals hold what they are of")]


async def _statistics_format(
    request: Request,
    format: Annotated[StatisticsFormat | None, Query(description="What Accept would say, for a link")] = None,
) -> StatisticsFormat:
    return negotiation.choose_format(request, get_args(StatisticsFormat), format)


StatisticsFormatDep = Annotated[StatisticsFormat, Depends(_statistics_format)]


_PARAMETER = in_words(
    r"^(bias|weights_(0|[1-9][0-9]{0,6}))$", "Input should be `bias`, or a weight by its number, as `weights_0`"
)
ParameterQuery = Annotated[
    str | None,
    Query(
        pattern=_PARAMETER,
        description="A parameter that learns, by its name in CSV, as `weights_0` or `bias`; else one is chosen",
    ),
]
PathFormat = Literal["json", "csv"]


async def _path_format(
    request: Request,
    format: Annotated[PathFormat | None, Query(description="What Accept would say, for a link")] = None,
) -> PathFormat:
    return negotiation.choose_format(request, get_args(PathFormat), format)


PathFormatDep = Annotated[PathFormat, Depends(_path_format)]


_COVARIANCE = in_words(
    r"^(nonrobust|HC[0-3]|cluster:[^\x00]+)$",
    "Input should be nonrobust, HC0, HC1, HC2, HC3, or cluster: and the name of a column",
)
CovarianceQuery = Annotated[
    str,
    Query(
        pattern=_COVARIANCE,
        description="Of the coefficients: HC0 to HC3 where rows are unequally noisy, cluster:<column> where rows of one"
        " value of a column go together",
    ),
]
_UNDERWAY: dict[int | str, dict[str, Any]] = {
    202: {"description": "A worker looks at every row: ask again at `Location`", "model": UnderwayView}
}
_POLL_SECONDS = 0.2


@router.get("/statistics", response_model=Statistics, responses=negotiation.document_formats("csv", "text") | _UNDERWAY)
async def get_statistics(
    job_id: UUID,
    request: Request,
    fits: FitsDep,
    turn: TurnDep,
    settings: SettingsDep,
    wait: WaitDep,
    format: StatisticsFormatDep,
    level: Level = 0.95,
    covariance: CovarianceQuery = NONROBUST,
) -> Response:
    """How sure the fit is: of the exact least-squares solution on the rows trained on, not of the run.

    Standard errors, t, p and intervals of every coefficient, how far the run ended from each, and the fit as a whole;
    `notes` say what the numbers do not. As JSON, laid out for a terminal (`text/plain`), or the coefficients as CSV.
    All but `durbin_watson` and other covariances than `nonrobust` follow from the triangle of the data; for those a
    worker looks at every row of large data, and the answer is 202 until it has.
    """

    def answer() -> Response:
        told = fits.statistics(job_id, level=level, covariance=covariance)
        return _answer(told, Coefficient, told.coefficients, text_of, format)

    return await _when_there(answer, turn, wait, _address(settings, job_id, "statistics", request))


@router.get("/influence", response_model=Influence, responses=negotiation.document_formats("csv", "text") | _UNDERWAY)
async def get_influence(
    job_id: UUID,
    request: Request,
    fits: FitsDep,
    turn: TurnDep,
    settings: SettingsDep,
    wait: WaitDep,
    format: StatisticsFormatDep,
    top: Annotated[int, Query(ge=1, le=MOST_TOLD, description="Most rows that are told")] = 20,
    by: Annotated[Measure, Query(description="What the rows are ordered by, the greatest first")] = "cook",
) -> Response:
    """Which rows hold the line, beside the audit, which says which rows moved the model.

    Leverage, studentized residuals, Cook's distance and PRESS of the exact solution, from one pass over the rows. As
    JSON, laid out for a terminal (`text/plain`), or the rows as CSV; 202 while a worker looks at those of large data.
    """

    def answer() -> Response:
        told = fits.influence(job_id, by=by, top=top)
        return _answer(told, InfluentialRow, told.data, text_of_influence, format)

    return await _when_there(answer, turn, wait, _address(settings, job_id, "influence", request))


@router.get("/path", response_model=Path, responses=negotiation.document_formats("csv") | _UNDERWAY)
async def get_path(
    job_id: UUID,
    request: Request,
    fits: FitsDep,
    turn: TurnDep,
    settings: SettingsDep,
    wait: WaitDep,
    format: PathFormatDep,
    penalty: Annotated[Penalty, Query(description="Which penalty becomes weaker")] = "l2",
    l1_ratio: Annotated[
        float | None,
        Query(ge=LEAST_L1_RATIO, lt=1, description="Of an elastic net, as scikit-learn has it; 0.5 by default"),
    ] = None,
    folds: Annotated[
        int | None, Query(ge=2, le=MAX_FOLDS, description="Of a cross-validation; none by default")
    ] = None,
) -> Response:
    """The exact solution under 100 penalties, from one that leaves nearly nothing of the weights to nearly none.

    Each with its effective degrees of freedom, its loss and its generalized cross-validation, and with `folds` with the
    error of rows left out: exactly, from the triangles of the folds, which one pass over the rows takes. A point's `l1`
    and `l2` are what a job would take. As JSON or CSV; 202 while a worker looks at the rows of large data.
    """

    def answer() -> Response:
        told = fits.path(job_id, penalty=penalty, l1_ratio=l1_ratio, folds=folds)
        content = path_as_csv(told) if format == "csv" else orjson.dumps(told)
        return Response(content, media_type=MEDIA_TYPES[format])

    return await _when_there(answer, turn, wait, _address(settings, job_id, "path", request))


@router.get("/surface", response_model=Surface, responses=_UNDERWAY)
async def get_surface(
    job_id: UUID,
    request: Request,
    surfaces: SurfacesDep,
    turn: TurnDep,
    settings: SettingsDep,
    wait: WaitDep,
    x: ParameterQuery = None,
    y: ParameterQuery = None,
    epoch: Annotated[
        int | None,
        Query(ge=-1, lt=2**31, description="After which the others are held, -1 at the start; else the last"),
    ] = None,
) -> Response:
    """The loss of all training rows over two parameters, while the others are held as they were after an epoch.

    Of the squared error it is exact: a hessian, its eigenvalues, and the centre of the ellipses. Of the other losses,
    and under `l1`, it is a grid. 202 while a worker looks at the rows of large data,
    and 409 before the job has ended.
    """

    def answer() -> Response:
        return negotiation.json_response(surfaces.surface(job_id, x=x, y=y, epoch=epoch))

    return await _when_there(answer, turn, wait, _address(settings, job_id, "surface", request))


async def _when_there(answer: Callable[[], Response], turn: Turn, wait: float, address: str) -> Response:
    """The answer, or 202 where it takes a worker longer than the client waits."""
    until = monotonic() + wait
    while True:
        try:
            return await turn(answer)
        except PassUnderway as underway:
            if monotonic() >= until:
                return _underway(underway, address)
        await asyncio.sleep(_POLL_SECONDS)


def _address(settings: Settings, job_id: UUID, what: str, request: Request) -> str:
    query = request.url.query
    return f"{settings.root_path}/v1/jobs/{job_id}/{what}" + (f"?{query}" if query else "")


def _underway(underway: PassUnderway, address: str) -> Response:
    headers = {"Location": address, **underway.headers}
    content = UnderwayView(state=underway.state, rows=underway.rows).model_dump_json()
    return Response(content, 202, headers=headers, media_type=MEDIA_TYPES["json"])


Told = TypeVar("Told", Statistics, Influence)


def _answer(
    told: Told, kind: type[Any], rows: Sequence[Any], text: Callable[[Told], str], format: StatisticsFormat
) -> Response:
    content: bytes | str
    match format:
        case "csv":
            content = rows_as_csv(kind, rows)
        case "text":
            content = text(told)
        case _:
            content = orjson.dumps(told)
    return Response(content, media_type=MEDIA_TYPES[format])
