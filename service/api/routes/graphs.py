"""Routes that explain back-propagation."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from pydantic import Field

from service.api.dependencies import DatabaseDep, StorageDep, TurnDep, require_json
from service.api.document.examples import GRAPH_REQUESTS
from service.api.files.pictures import DOCUMENTED, FormatQuery, ThemeQuery, draw_picture, preferred_picture
from service.api.schemas.graphs import graph_json, step_graph_json
from service.records import graphs
from slope.answers.graphs import AuditView, GraphView, StepGraphView
from slope.spec.graph import GraphRequest

router = APIRouter(prefix="/v1", tags=["graphs"])

Number = Annotated[int, Path(ge=0, lt=2**31)]
MAX_EXPANDED = 50


@router.get("/jobs/{job_id}/epochs/{epoch}/steps/{step}/graph", response_model=StepGraphView, responses=DOCUMENTED)
async def get_step_graph(
    job_id: UUID,
    epoch: Number,
    step: Number,
    request: Request,
    database: DatabaseDep,
    storage: StorageDep,
    turn: TurnDep,
    theme: ThemeQuery = "auto",
    row: Annotated[int | None, Query(ge=0, description="The row of the batch to show; else its first")] = None,
    expand: Annotated[
        list[Annotated[int, Field(ge=0)]] | None,
        Query(max_length=MAX_EXPANDED, description="Features to show one by one; else all, or the three most moved"),
    ] = None,
    format: FormatQuery = None,
) -> Response:
    """The chain rule at work in one step: its graph, from autograd itself.

    Every node has the value of the forward pass and the gradient that arrives there, every edge the local derivative
    and what flows back. The answer is held against the recorded gradient before it is sent. Of a batch one row is
    shown, and the others together; a step that was not recorded is replayed. The first step of a job whose numbers
    stopped being finite in it is shown too.
    """
    chosen = format or preferred_picture(request)

    def answer() -> Response:
        found = graphs.graph_of_step(database, storage, job_id, epoch, step, row=row, features=expand or ())
        return _json(step_graph_json(found)) if chosen == "json" else draw_picture(found.graph, chosen, theme)

    return await turn(answer)


@router.get("/jobs/{job_id}/epochs/{epoch}/audit", response_model=AuditView)
async def audit_epoch(
    job_id: UUID,
    epoch: Number,
    database: DatabaseDep,
    storage: StorageDep,
    turn: TurnDep,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most rows that are listed")] = 50,
) -> Response:
    """Which rows moved the model: what each row contributed to the epoch's mean gradient, the largest first.

    The contributions, the penalties' and what was left in `.grad` before add up to the recorded gradient. Every step is
    done again through autograd and held against its record.
    """

    def answer() -> Response:
        found = graphs.audit_epoch(database, storage, job_id, epoch, limit=limit)
        return _json(AuditView.model_validate(found).model_dump_json().encode())

    return await turn(answer)


@router.post("/graphs", response_model=GraphView, responses=DOCUMENTED, dependencies=[Depends(require_json)])
async def draw_expression(
    formula: Annotated[GraphRequest, Body(openapi_examples=GRAPH_REQUESTS)],
    request: Request,
    turn: TurnDep,
    theme: ThemeQuery = "auto",
    format: FormatQuery = None,
) -> Response:
    """The graph of any small formula, computed in double precision: values forward, gradients back."""
    chosen = format or preferred_picture(request)

    def answer() -> Response:
        graph = graphs.graph_of_expression(formula)
        return _json(graph_json(graph)) if chosen == "json" else draw_picture(graph, chosen, theme)

    return await turn(answer)


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
