"""Routes for what a statistician asks of a job's exact solution."""

from typing import Annotated, Literal, get_args
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from service.api import negotiation
from service.api.dependencies import DatabaseDep, StorageDep, TurnDep
from service.api.files.statistics import rows_as_csv
from service.api.negotiation import MEDIA_TYPES
from service.statistics import fits
from slope.statistics.influence import MOST_TOLD, Influence, InfluentialRow, Measure
from slope.statistics.result import Coefficient, Statistics
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


@router.get("/statistics", response_model=Statistics, responses=negotiation.document_formats("csv", "text"))
async def get_statistics(
    job_id: UUID,
    database: DatabaseDep,
    storage: StorageDep,
    turn: TurnDep,
    format: StatisticsFormatDep,
    level: Level = 0.95,
) -> Response:
    """How sure the fit is: of the exact least-squares solution on the rows trained on, not of the run.

    Standard errors, t, p and intervals of every coefficient, how far the run ended from each, and the fit as a whole;
    `notes` say what the numbers do not. As JSON, laid out for a terminal (`text/plain`), or the coefficients as CSV.
    """

    def answer() -> Response:
        return _written(fits.get_statistics(database, storage, job_id, level=level), format)

    return await turn(answer)


@router.get("/influence", response_model=Influence, responses=negotiation.document_formats("csv", "text"))
async def get_influence(
    job_id: UUID,
    database: DatabaseDep,
    storage: StorageDep,
    turn: TurnDep,
    format: StatisticsFormatDep,
    top: Annotated[int, Query(ge=1, le=MOST_TOLD, description="Most rows that are told")] = 20,
    by: Annotated[Measure, Query(description="What the rows are ordered by, the greatest first")] = "cook",
) -> Response:
    """Which rows hold the line, beside the audit, which says which rows moved the model.

    Leverage, studentized residuals, Cook's distance and PRESS of the exact solution, from one pass over the rows. As
    JSON, laid out for a terminal (`text/plain`), or the rows as CSV.
    """

    def answer() -> Response:
        told = fits.get_influence(database, storage, job_id, by=by, top=top)
        if format == "json":
            return _json(told)
        content = rows_as_csv(InfluentialRow, told.data) if format == "csv" else text_of_influence(told)
        return Response(content, media_type=MEDIA_TYPES[format])

    return await turn(answer)


def _written(told: Statistics, format: StatisticsFormat) -> Response:
    if format == "json":
        return _json(told)
    content = rows_as_csv(Coefficient, told.coefficients) if format == "csv" else text_of(told)
    return Response(content, media_type=MEDIA_TYPES[format])


def _json(told: Statistics | Influence) -> Response:
    return Response(orjson.dumps(told), media_type=MEDIA_TYPES["json"])
