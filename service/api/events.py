"""Routes for a job's events: a list, or a stream of server-sent events that also tells every epoch."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Header, Query
from fastapi.sse import format_sse_event
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from service import events
from service.api.dependencies import DatabaseDep, Limit, WatchDep
from service.api.views.events import EventView
from service.api.views.records import EpochView
from service.api.views.view import Page
from service.api.watch import JobWatch
from service.errors import JobNotFound
from service.events import Batch, Position
from service.store.database import Database
from service.store.tables import Epoch, Event

router = APIRouter(prefix="/v1/jobs/{job_id}/events", tags=["records"])

log = structlog.get_logger()

KEEP_ALIVE_SECONDS = 15.0
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
    204: {"description": "The stream with this Last-Event-ID had been read to its end"},
}


@router.get("", response_model=Page[EventView], responses=_STREAM)
async def list_events(
    job_id: UUID,
    database: DatabaseDep,
    watch: WatchDep,
    accept: Annotated[str, Header()] = "application/json",
    last_event_id: Annotated[str | None, Header()] = None,
    after: Annotated[int, Query(ge=0, lt=2**31, description="The last event of the page before")] = 0,
    limit: Limit = 50,
) -> Response | Page[EventView]:
    """What happened to a job: its status changes and warnings, ascending.

    With `Accept: text/event-stream` a live stream of `status`, `warning` and `epoch` events, which ends with the final
    status. Reconnect with `Last-Event-ID` and nothing is missed or told twice.
    """
    if "text/event-stream" not in accept:
        return await run_in_threadpool(_page, database, job_id, after, limit)
    position = Position.parse(last_event_id) if last_event_id else Position()
    first = await run_in_threadpool(_following, database, job_id, position)
    if last_event_id and first.is_last and not first.items:
        return Response(status_code=204)  # tells an EventSource to reconnect no more
    stream = _stream(database, watch, job_id, position, first)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _stream(
    database: Database, watch: JobWatch, job_id: UUID, position: Position, batch: Batch
) -> AsyncIterator[bytes]:
    while True:
        for item in batch.items:
            position = position.after(item)
            yield _encode(item, position)
        if batch.is_last or watch.closing.is_set():
            return
        if not batch.items:
            yield b": waiting\n\n"
            await watch.changed(job_id, batch.version, KEEP_ALIVE_SECONDS)
        batch = await run_in_threadpool(_following_or_end, database, job_id, position)


def _encode(item: Epoch | Event, position: Position) -> bytes:
    if isinstance(item, Epoch):
        return format_sse_event(data_str=EpochView.of(item).model_dump_json(), event="epoch", id=str(position))
    return format_sse_event(data_str=EventView.of(item).model_dump_json(), event=item.kind, id=str(position))


def _following(database: Database, job_id: UUID, position: Position) -> Batch:
    with database.reading() as session:
        return events.following(session, job_id, position)


def _following_or_end(database: Database, job_id: UUID, position: Position) -> Batch:
    """The stream ends when its job is deleted or the database goes: it has begun, and cannot become an error.

    Who comes back with its Last-Event-ID goes on, or is told what is wrong.
    """
    try:
        return _following(database, job_id, position)
    except JobNotFound:
        pass
    except SQLAlchemyError as error:
        log.warning("a stream of events ends: the database does not answer", job_id=str(job_id), error=str(error))
    return Batch([], version=0, is_last=True)


def _page(database: Database, job_id: UUID, after: int, limit: int) -> Page[EventView]:
    with database.reading() as session:
        found, following = events.page(session, job_id, after=after, limit=limit)
    return Page(data=[EventView.of(event) for event in found], next=None if following is None else str(following))
