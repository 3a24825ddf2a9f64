"""Routes for what a job recorded."""

from contextlib import nullcontext
from typing import Annotated, Literal, get_args
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool

from service.api import negotiation
from service.api.dependencies import MAX_LIMIT, DatabaseDep, Limit, StorageDep, TurnDep
from service.api.files.downloads import Taking, epochs_file, steps_file
from service.api.files.lines import epoch_lines, step_lines
from service.api.lanes import LanesDep, looks_at_much
from service.api.negotiation import json_page, page_of_lines
from service.api.schemas.records import view_step
from service.records import chunks, pages
from service.storage import Storage
from service.store.database import Database
from slope.answers.records import EpochView, StepView
from slope.answers.view import Page
from slope.spec.faults import in_words

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["records"])

HistoryFormat = Literal["json", "csv", "ndjson", "arrow"]
DEFAULT_LIMIT = 50

LimitOrAll = Annotated[
    int | None,
    Query(ge=1, le=MAX_LIMIT, description="Most items on the page. A file has all of them unless a limit is given"),
]

Points = Annotated[
    int | None, Query(ge=4, le=10_000, description="At most this many, the extremes of the loss among them")
]

Numbers = Annotated[
    list[Annotated[str, Field(max_length=80)]] | None,
    Query(max_length=8, description="With `points`: the numbers whose extremes are kept, by their names in CSV"),
]


async def _history_format(
    request: Request,
    format: Annotated[HistoryFormat | None, Query(description="What Accept would say, for a link")] = None,
) -> HistoryFormat:
    return negotiation.choose_format(request, get_args(HistoryFormat), format)


HistoryFormatDep = Annotated[HistoryFormat, Depends(_history_format)]


@router.get(
    "/epochs",
    response_model=Page[EpochView],
    responses=negotiation.document_formats("csv", "ndjson", "arrow"),
    dependencies=[looks_at_much("points")],
)
def list_epochs(
    job_id: UUID,
    database: DatabaseDep,
    format: HistoryFormatDep,
    after: Annotated[int, Query(ge=-1, lt=2**31, description="The last epoch of the page before")] = -1,
    before: Annotated[int, Query(ge=0, le=2**31, description="Only epochs before this one")] = pages.ALL,
    limit: LimitOrAll = None,
    points: Points = None,
    by: Numbers = None,
) -> Response:
    """The epoch records of a job, ascending: a page of JSON, or all of them as CSV, NDJSON or an Arrow stream.

    A line of NDJSON is an item of the page. CSV and Arrow have a column for every number: `gradient_mean_weights_0` and
    so on. With `points=N` the epochs are thinned out: of each of N/4 equal stretches the first and the last are kept,
    and those with the least and the greatest loss, so that a curve through them shows every spike. `by` names another
    number than the loss: `gradient_norm`, `weights_0`, or any other column of the CSV. Said several times, each number
    has epochs of its own.
    """
    if format == "json" and points is None:
        return _page_of_epochs(database, job_id, after, before, limit or DEFAULT_LIMIT)
    if points is not None:
        numbers = by or ["loss"]
        found = chunks.thinned_epochs(database, job_id, after=after, before=before, points=points, by=numbers)
    else:
        found = chunks.epoch_history(database, job_id, after=after, before=before, limit=limit or pages.ALL)
    if format == "json":
        return page_of_lines(line for chunk in found.chunks for line in epoch_lines(chunk))
    return epochs_file(found, format, f"{job_id}-epochs")


@router.get(
    "/epochs/{epoch}/steps",
    response_model=Page[StepView],
    responses=negotiation.document_formats("csv", "ndjson", "arrow"),
)
async def list_steps(
    job_id: UUID,
    epoch: Annotated[int, Path(ge=0, lt=2**31)],
    database: DatabaseDep,
    storage: StorageDep,
    turn: TurnDep,
    lanes: LanesDep,
    format: HistoryFormatDep,
    after: Annotated[int, Query(ge=-1, lt=2**31, description="The last step of the page before")] = -1,
    limit: LimitOrAll = None,
    points: Points = None,
) -> Response:
    """The steps of an epoch, ascending: every batch's loss and gradient, and the parameters before its update.

    Steps that were not recorded are computed again through autograd, to the same bits. A page of JSON (1000 steps by
    default), or all of them as CSV, NDJSON or an Arrow stream; in CSV the indices of a step's rows are in one cell,
    with spaces between them. `points=N` thins them out as it does epochs.
    """
    are_recorded = await run_in_threadpool(_are_recorded, database, job_id, epoch)
    each: Taking = iterate_in_threadpool if are_recorded else turn.each

    def answer() -> Response:
        if format == "json" and points is None:
            return _page_of_steps(database, storage, job_id, epoch, after, limit or MAX_LIMIT)
        if points is not None:
            found = chunks.thinned_steps(database, storage, job_id, epoch, after=after, points=points)
        else:
            found = chunks.step_history(database, storage, job_id, epoch, after=after, limit=limit or pages.ALL)
        if format == "json":
            return page_of_lines(line for chunk in found.chunks for line in step_lines(chunk))
        return steps_file(found, format, f"{job_id}-epoch-{epoch}-steps", each)

    if not are_recorded:
        return await turn(answer)
    async with nullcontext() if points is None else lanes.searches.place():  # each step is looked at
        return await run_in_threadpool(answer)


_STEP = in_words(
    r"^[0-9]{1,9}_[0-9]{1,9}$", "Input should be the `next` of the page before: an epoch and a step, as 3_14"
)
AfterStep = Annotated[str | None, Query(pattern=_STEP, description="The `next` of the page before", max_length=19)]


@router.get("/steps", response_model=Page[StepView])
def list_recorded_steps(job_id: UUID, database: DatabaseDep, after: AfterStep = None, limit: Limit = 50) -> Response:
    """The recorded steps of all epochs, ascending: the path of the run, update by update.

    Where the plan's `steps_recorded` is false there are none: those of an epoch are then computed again.
    """
    epoch, step = map(int, (after or "0_-1").split("_"))
    with database.reading() as session:
        found, following = pages.page_of_recorded_steps(session, job_id, after=(epoch, step), limit=limit)
    return json_page(map(view_step, found), f"{following[0]}_{following[1]}" if following else None)


def _are_recorded(database: Database, job_id: UUID, epoch: int) -> bool:
    with database.reading() as session:
        return pages.are_recorded(session, job_id, epoch)


def _page_of_epochs(database: Database, job_id: UUID, after: int, before: int, limit: int) -> Response:
    with database.reading() as session:
        page = pages.page_of_epochs(session, job_id, after=after, before=before, limit=limit)
    return page_of_lines(epoch_lines(page.records), page.following)


def _page_of_steps(database: Database, storage: Storage, job_id: UUID, epoch: int, after: int, limit: int) -> Response:
    with database.reading() as session:
        page = pages.page_of_steps(session, storage, job_id, epoch, after=after, limit=limit)
    return json_page(map(view_step, page.records), page.following)
