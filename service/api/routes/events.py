"""Routes for a job's events: a list, or a stream of server-sent events that also tells every epoch."""

from collections.abc import AsyncIterator, Collection
from time import monotonic
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from service.api.dependencies import DatabaseDep, FeedsDep, Limit, WatchDep
from service.api.moments import Since
from service.api.negotiation import preferred_format
from service.api.polling.feeds import Chunk, Feeds
from service.api.polling.watch import JobWatch
from service.errors import InvalidRequest, JobNotFound, ServiceError
from service.records import feed
from service.records.feed import KINDS, Position
from service.store.database import Database
from service.store.jobs import jobs
from slope.answers.events import EventView
from slope.answers.view import Page
from slope.spec import Fault

router = APIRouter(prefix="/v1/jobs/{job_id}/events", tags=["records"])

log = structlog.get_logger()

EventsFormat = Literal["json", "event-stream"]
EventType = Literal["status", "warning", "epoch", "progress"]
Types = Annotated[
    list[EventType] | None,
    Query(
        max_length=len(get_args(EventType)), description="Events of these kinds; `epoch` and `progress` are a stream's"
    ),
]

KEEP_ALIVE_SECONDS = 15.0
_PROGRESS_SECONDS = 0.1
"""Between two events that tell how far a job is."""
_KEEP_ALIVE = b": keep-alive\n"
"""A comment, and no empty line behind it: that would end an event of nothing, which httpx-sse hands on."""
_UNDELAYED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""For nginx and its kin, which would keep events back until there are many."""
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
    204: {"description": "The stream with this Last-Event-ID had been read to its end"},
}


async def _events_format(request: Request) -> EventsFormat:
    return preferred_format(request, get_args(EventsFormat))


@router.get("", response_model=Page[EventView], responses=_STREAM)
async def list_events(
    job_id: UUID,
    database: DatabaseDep,
    watch: WatchDep,
    feeds: FeedsDep,
    format: Annotated[EventsFormat, Depends(_events_format)],
    last_event_id: Annotated[str | None, Header(description="The last event that was read")] = None,
    after: Annotated[int, Query(ge=0, lt=2**31, description="The last event of the page before")] = 0,
    limit: Limit = 50,
    types: Types = None,
    since: Since = None,
) -> Response | Page[EventView]:
    """What happened to a job: its status changes and warnings, ascending.

    With `Accept: text/event-stream` a live stream of `status`, `warning` and `epoch` events, which ends with the final
    status and goes on over a pause. Reconnect with `Last-Event-ID` and nothing is missed or told twice. `types` chooses
    among them, and can add `progress`: how far the job is, at most ten times a second, without an id. `since` is about
    the list.
    """
    if format == "json":
        wanted = _listed(types)
        return await run_in_threadpool(_page, database, job_id, after=after, limit=limit, kinds=wanted, since=since)
    if since is not None:
        raise _misplaced("since", "A stream begins where Last-Event-ID says, or at the start: leave this out")
    position = Position.parse(last_event_id) if last_event_id else Position()
    await run_in_threadpool(_refuse_missing, database, job_id)
    kinds = frozenset(types or KINDS)
    first = await feeds.following(job_id, position, kinds)
    if last_event_id and first.is_last and not first.content:
        return Response(status_code=204)  # tells an EventSource to reconnect no more
    stream = _stream(feeds, watch, job_id, first, kinds)
    return StreamingResponse(stream, media_type="text/event-stream", headers=_UNDELAYED)


async def _stream(
    feeds: Feeds, watch: JobWatch, job_id: UUID, chunk: Chunk, kinds: frozenset[str]
) -> AsyncIterator[bytes]:
    told, told_at = b"", -_PROGRESS_SECONDS
    while True:
        is_news, left = chunk.progress not in (b"", told), told_at + _PROGRESS_SECONDS - monotonic()
        if is_news and (chunk.is_last or left <= 0):
            told, told_at, is_news = chunk.progress, monotonic(), False
            yield told
        if chunk.content:
            yield chunk.content
        if chunk.is_last or watch.closing.is_set():
            return
        if not chunk.content:
            yield _KEEP_ALIVE
            await watch.changed(job_id, chunk.version, max(left, 0.0) if is_news else KEEP_ALIVE_SECONDS)
        chunk = await _following_or_end(feeds, job_id, chunk.position, kinds)


def _listed(types: Collection[str] | None) -> Collection[str] | None:
    if of_streams := {"epoch", "progress"} & set(types or ()):
        raise _misplaced("types", f"The list has no {' nor '.join(sorted(of_streams))}: ask for text/event-stream")
    return types


def _misplaced(name: str, detail: str) -> InvalidRequest:
    return InvalidRequest(detail, [Fault(detail, f"/query/{name}")])


async def _following_or_end(feeds: Feeds, job_id: UUID, position: Position, kinds: frozenset[str]) -> Chunk:
    """The stream ends when its job is deleted or the database goes: it has begun, and cannot become an error.

    Who comes back with its Last-Event-ID goes on, or is told what is wrong.
    """
    try:
        return await feeds.following(job_id, position, kinds)
    except JobNotFound:
        pass
    except ServiceError as error:
        log.warning("a stream of events ends: the database does not answer", job_id=str(job_id), error=str(error))
    return Chunk(b"", position, version=0, is_last=True, is_full=False)


def _refuse_missing(database: Database, job_id: UUID) -> None:
    """What is kept may be of a job that was deleted since."""
    if not database.query(jobs.versions_of, [job_id]):
        raise JobNotFound(job_id)


def _page(database: Database, job_id: UUID, **wanted: Any) -> Page[EventView]:
    with database.reading() as session:
        found, following = feed.list_events(session, job_id, **wanted)
    views = [EventView.model_validate(event) for event in found]
    return Page(data=views, next=None if following is None else str(following))
