"""Routes for the charts of a job as pictures."""

from collections.abc import Callable
from typing import Annotated, Literal, get_args
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response

import slope
from service.api import negotiation
from service.api.dependencies import ChartsDep, JobResponsesDep, TurnDep
from service.api.files.pictures import ThemeQuery, draw_chart
from service.api.polling.responses import matches_etag
from service.api.routes.statistics import ParameterQuery
from slope.charts.chart import Chart
from slope.charts.curves import Scale

router = APIRouter(prefix="/v1/jobs/{job_id}/charts", tags=["charts"])

ChartFormat = Literal["svg", "png"]
RESPONSES = negotiation.document_formats("svg", "png") | {304: {"description": "Not changed since that ETag"}}

PointsQuery = Annotated[
    int, Query(ge=4, le=4000, description="Most epochs that a line is drawn through, every extreme among them")
]
ScaleQuery = Annotated[Scale, Query(description="Of the second axis; a logarithmic one leaves zeros out")]


class Drawing:
    """Draws the chart of a job in the format that the client prefers, unless it has the job's chart as it stands."""

    def __init__(
        self,
        job_id: UUID,
        request: Request,
        responses: JobResponsesDep,
        turn: TurnDep,
        theme: ThemeQuery = "auto",
        format: Annotated[ChartFormat | None, Query(description="What Accept would say, for a link")] = None,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> None:
        self._job_id, self._responses, self._turn = job_id, responses, turn
        self._theme, self._known = theme, if_none_match
        self._format = negotiation.choose_format(request, get_args(ChartFormat), format)

    async def __call__(self, chart: Callable[[], Chart]) -> Response:
        version = (await self._responses.of(self._job_id)).version  # before what is drawn, which may be newer
        headers = {"ETag": f'"{version}.{slope.__version__}.{self._format}"'}
        if matches_etag(self._known, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        answer = await self._turn(lambda: draw_chart(chart(), self._format, self._theme))
        answer.headers.update(headers)
        return answer


DrawingDep = Annotated[Drawing, Depends()]


@router.get("/loss", response_class=Response, responses=RESPONSES)
async def get_loss_chart(
    job_id: UUID, charts: ChartsDep, drawing: DrawingDep, points: PointsQuery = 400, scale: ScaleQuery = "log"
) -> Response:
    """The loss over the epochs as a picture, the validation loss with it, and the exact solution's dashed."""
    return await drawing(lambda: charts.loss(job_id, points=points, scale=scale))


@router.get("/gradient", response_class=Response, responses=RESPONSES)
async def get_gradient_chart(
    job_id: UUID, charts: ChartsDep, drawing: DrawingDep, points: PointsQuery = 400, scale: ScaleQuery = "log"
) -> Response:
    """The norm of the mean gradient over the epochs as a picture."""
    return await drawing(lambda: charts.gradient(job_id, points=points, scale=scale))


@router.get("/weights", response_class=Response, responses=RESPONSES)
async def get_weights_chart(
    job_id: UUID, charts: ChartsDep, drawing: DrawingDep, points: PointsQuery = 400
) -> Response:
    """The five largest weights and the bias over the epochs as a picture, in the data's own units; the exact solution's
    are dashed."""
    return await drawing(lambda: charts.weights(job_id, points=points))


@router.get("/fit", response_class=Response, responses=RESPONSES)
async def get_fit_chart(job_id: UUID, charts: ChartsDep, drawing: DrawingDep) -> Response:
    """Up to 1,000 rows as a picture, and the line through them; of several features, predicted against true."""
    return await drawing(lambda: charts.fit(job_id))


@router.get("/surface", response_class=Response, responses=RESPONSES)
async def get_surface_chart(
    job_id: UUID,
    charts: ChartsDep,
    drawing: DrawingDep,
    x: ParameterQuery = None,
    y: ParameterQuery = None,
    points: PointsQuery = 400,
) -> Response:
    """The loss over two parameters as a picture, with the path of the run. `GET …/surface` has its numbers."""
    return await drawing(lambda: charts.surface(job_id, points=points, x=x, y=y))
