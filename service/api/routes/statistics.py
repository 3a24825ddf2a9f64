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
from slope.statistics.result import Coefficient, Statistics
from slope.statistics.text import text_of

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


def _written(told: Statistics, format: StatisticsFormat) -> Response:
    content: bytes | str
    match format:
        case "csv":
            content = rows_as_csv(Coefficient, told.coefficients)
        case "text":
            content = text_of(told)
        case _:
            content = orjson.dumps(told)
    return Response(content, media_type=MEDIA_TYPES[format])
