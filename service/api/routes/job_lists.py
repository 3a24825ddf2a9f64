"""Routes for lists of jobs, and for what is done with many of them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from sqlalchemy.orm import Session

from service.api.dependencies import DatabaseDep, Limit, SettingsDep, StorageDep
from service.api.document.openapi import document_headers
from service.api.guards.route_guards import Family
from service.api.lanes import is_asked, looks_at_much
from service.api.moments import Before, Since, in_utc
from service.api.polling.responses import tagged_response
from service.api.schemas.jobs import view_changes, view_job_on_a_page
from service.errors import InvalidRequest
from service.jobs import many
from service.jobs.jobs import waiting_reasons
from service.store.jobs.lists import Filters, Order, Period, Position
from slope.answers.jobs import ChangesView, JobView
from slope.answers.view import Page
from slope.spec import Fault
from slope.spec.job import MAX_METADATA
from slope.statuses import STATUSES, JobStatus

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

MAX_IDS = 100
_METADATA = "Jobs whose metadata has all of these, as `metadata[course]=autograd`"
Metadata = Annotated[tuple[tuple[str, str], ...], Depends(Family("metadata", MAX_METADATA, _METADATA))]
Statuses = Annotated[list[JobStatus] | None, Query(description="Jobs of any of these", max_length=len(STATUSES))]
Ids = Annotated[list[UUID] | None, Query(description="Those of these jobs that there are", max_length=MAX_IDS)]
InSweep = Annotated[
    bool | None, Query(description="Only jobs that belong to a sweep, or, if false, only those that belong to none")
]
Text = Annotated[str | None, Query(pattern=r"^[^\x00]*$")]
Words = Annotated[
    str | None,
    Query(
        pattern=r"^[^\x00]*$",
        min_length=1,
        max_length=200,
        description="Jobs whose name, or a value of whose metadata, contains this, in capitals or not",
    ),
]


Sort = Annotated[
    Literal[
        "-created",
        "created",
        "-finished",
        "finished",
        "-loss",
        "loss",
        "-validation",
        "validation",
        "-seconds",
        "seconds",
    ],
    Query(
        description="From the smallest up, or after a `-` from the largest down. Jobs without such a value come last"
    ),
]
AfterJob = Annotated[str | None, Query(max_length=100, description="The `next` of the page before, of the same `sort`")]
DryRun = Annotated[bool, Query(description="Only say which jobs it would be")]


async def _filters(
    metadata: Metadata,
    status: Statuses = None,
    name: Text = None,
    q: Words = None,
    ids: Ids = None,
    dataset_id: UUID | None = None,
    sweep_id: UUID | None = None,
    in_sweep: InSweep = None,
    created_since: Since = None,
    created_before: Before = None,
    finished_since: Since = None,
    finished_before: Before = None,
) -> Filters:
    return Filters(
        statuses=tuple(status or ()),
        name=name,
        dataset_id=dataset_id,
        sweep_id=sweep_id,
        in_sweep=in_sweep,
        metadata=metadata,
        ids=tuple(ids or ()),
        words=q,
        created=Period(created_since, created_before),
        finished=Period(finished_since, finished_before),
    )


FiltersDep = Annotated[Filters, Depends(_filters)]


_SEARCHED = ("q", "metadata", "sort", "created_since", "created_before", "finished_since", "finished_before")
"""What is not found by an index alone."""


def _session(request: Request, database: DatabaseDep, settings: SettingsDep) -> Iterator[Session]:
    """A page in the order of creation needs no bound, which would be a statement more."""
    with database.reading(longest=settings.search_seconds if is_asked(request, *_SEARCHED) else None) as session:
        yield session


_SessionDep = Annotated[Session, Depends(_session, scope="function")]


@router.get(
    "",
    response_model=Page[JobView],
    responses={304: {"description": "Not changed since that ETag"}},
    openapi_extra=document_headers("If-None-Match"),
    dependencies=[looks_at_much(*_SEARCHED)],
)
def list_jobs(
    session: _SessionDep,
    filters: FiltersDep,
    sort: Sort = "-created",
    after: AfterJob = None,
    limit: Limit = 50,
    if_none_match: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Jobs, newest first unless `sort` says otherwise. A job is listed if it meets all filters.

    What is long is null here, and only the job itself has it: weights, `scaled`, `analysis` and the names of columns
    where there are more than 100 features; `predict` and `initial_weights` of more than 100.
    """
    order = Order(sort.removeprefix("-"), descending=sort.startswith("-"))
    position = _position(after, order) if after else None
    found, following = many.list_jobs(session, filters, order=order, after=position, limit=limit)
    views = list(map(view_job_on_a_page, found, waiting_reasons(session, found)))
    page = Page[JobView](data=views, next=_cursor(following) if following else None)
    return tagged_response(page, if_none_match)


@router.post("/cancel", status_code=202, dependencies=[looks_at_much()])
def cancel_jobs(
    database: DatabaseDep, settings: SettingsDep, filters: FiltersDep, dry_run: DryRun = False
) -> ChangesView:
    """Cancel the jobs of the filters that have not ended, oldest first: at most 1,000 in one request."""
    changes = many.cancel_jobs(database, filters, longest=settings.search_seconds, dry_run=dry_run)
    return view_changes(changes, dry_run=dry_run)


@router.delete("", dependencies=[looks_at_much()])
def delete_jobs(
    database: DatabaseDep,
    storage: StorageDep,
    settings: SettingsDep,
    filters: FiltersDep,
    dry_run: DryRun = False,
) -> ChangesView:
    """Delete the jobs of the filters that do not run, with all their records: at most 1,000 in one request, oldest
    first, for at most ten seconds."""
    changes = many.delete_jobs(database, storage, filters, longest=settings.search_seconds, dry_run=dry_run)
    return view_changes(changes, dry_run=dry_run)


def _cursor(position: Position) -> str:
    """`<id>` in the order of creation, else `<value>_<id>`; the value is missing where the job has none."""
    value = position.value
    if isinstance(value, datetime):
        return f"{value.isoformat()}_{position.job_id}"
    return f"{value!r}_{position.job_id}" if value is not None else str(position.job_id)


def _position(cursor: str, order: Order) -> Position:
    value, _, job_id = cursor.rpartition("_")
    try:
        return Position(_value(value, order) if value else None, UUID(job_id))
    except ValueError as error:
        detail = "It is no `next` that this call gave for this `sort`"
        raise InvalidRequest(detail, [Fault(detail, "/query/after")]) from error


def _value(text: str, order: Order) -> float | datetime:
    if order.by == "created":
        raise ValueError("the order of creation has no values")
    if order.by != "finished":
        return float(text)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return in_utc(moment)
