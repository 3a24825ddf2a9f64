"""Routes for a job's events: a list, or a stream of server-sent events that also tells every epoch."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from service.api.dependencies import DatabaseDep, FeedsDep, Limit, WatchDep
from service.api.negotiation import preferred_format
from service.api.polling.feeds import Chunk, Feeds
from service.api.polling.watch import JobWatch
from service.errors import JobNotFound, ServiceError
from service.records import feed
from service.records.feed import Position
from service.store import jobs
from service.store.database import Database
from slope.answers.events import EventView
from slope.answers.view import Page

router = APIRouter(prefix="/v1/jobs/{job_id}/events", tags=["records"])

log = structlog.get_logger()

EventsFormat = Literal["json", "event-stream"]

KEEP_ALIVE_SECONDS = 15.0
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
) -> Response | Page[EventView]:
    """What happened to a job: its status changes and warnings, ascending.

    With `Accept: text/event-stream` a live stream of `status`, `warning` and `epoch` events, which ends with the final
    status. Reconnect with `Last-Event-ID` and nothing is missed or told twice.
    """
    if format == "json":
        return await run_in_threadpool(_page, database, job_id, after, limit)
    position = Position.parse(last_event_id) if last_event_id else Position()
    await run_in_threadpool(_refuse_missing, database, job_id)
    first = await feeds.following(job_id, position)
    if last_event_id and first.is_last and not first.content:
        return Response(status_code=204)  # tells an EventSource to reconnect no more
    stream = _stream(feeds, watch, job_id, first)
    return StreamingResponse(stream, media_type="text/event-stream", headers=_UNDELAYED)


async def _stream(feeds: Feeds, watch: JobWatch, job_id: UUID, chunk: Chunk) -> AsyncIterator[bytes]:
    while True:
        if chunk.content:
            yield chunk.content
        if chunk.is_last or watch.closing.is_set():
            return
        if not chunk.content:
            yield _KEEP_ALIVE
            await watch.changed(job_id, chunk.version, KEEP_ALIVE_SECONDS)
        chunk = await _following_or_end(feeds, job_id, chunk.position)


async def _following_or_end(feeds: Feeds, job_id: UUID, position: Position) -> Chunk:
    """The stream ends when its job is deleted or the database goes: it has begun, and cannot become an error.

    Who comes back with its Last-Event-ID goes on, or is told what is wrong.
    """
    try:
        return await feeds.following(job_id, position)
    except JobNotFound:
        pass
    except ServiceError as error:
        log.warning("a stream of events ends: the database does not answer", job_id=str(job_id), error=str(error))
    return Chunk(b"", position, version=0, is_last=True, is_full=False)


def _refuse_missing(database: Database, job_id: UUID) -> None:
    """What is kept may be of a job that was deleted since."""
    if not database.query(jobs.versions_of, [job_id]):
        raise JobNotFound(job_id)


def _page(database: Database, job_id: UUID, after: int, limit: int) -> Page[EventView]:
    with database.reading() as session:
        found, following = feed.list_events(session, job_id, after=after, limit=limit)
    views = [EventView.model_validate(event) for event in found]
    return Page(data=views, next=None if following is None else str(following))
