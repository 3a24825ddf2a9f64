"""What event streams send, as bytes: made once for all who are at the same point of a job's history."""

import asyncio
from contextvars import Context
from dataclasses import dataclass
from uuid import UUID

from cachetools import LRUCache
from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from service.api.schemas.jobs import view_progress
from service.api.schemas.records import view_epoch
from service.records import feed
from service.records.feed import KINDS, Position
from service.store.database import Database
from service.store.jobs import jobs
from service.store.tables import Epoch, Event
from slope.answers.events import EventView, ProgressEventView

_BYTES_KEPT = 32 * 1024 * 1024

_Point = tuple[UUID, Position, frozenset[str]]
"""A job, what of its history has been read, and the kinds of what is read."""


@dataclass(frozen=True)
class Chunk:
    """Events as a stream sends them; the position is that of the last of them."""

    content: bytes
    position: Position
    version: int
    """The job's, when it was made."""
    is_last: bool
    is_full: bool
    """Whether what follows the point is this for ever."""
    progress: bytes = b""
    """How far the job is, where that is asked for, and nothing else waits to be told."""


class Feeds:
    """Keeps what is full: twenty who read a history cost little more than one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: LRUCache[_Point, Chunk] = LRUCache(_BYTES_KEPT, getsizeof=lambda chunk: len(chunk.content))
        self._making: dict[_Point, asyncio.Task[Chunk]] = {}

    async def following(self, job_id: UUID, position: Position, kinds: frozenset[str] = frozenset(KINDS)) -> Chunk:
        """What follows a position, of these kinds. Raises JobNotFound, unless it was kept."""
        point = (job_id, position, kinds)
        if kept := self._kept.get(point):
            return kept
        making = self._making.get(point)
        if making is None:
            # In nobody's context: others who wait for it have requests of other names.
            making = self._making[point] = asyncio.create_task(self._make(point), context=Context())
            # Looked at here, or asyncio would complain of an error that nobody waits for any more.
            making.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(making)  # who leaves does not take it from the others

    async def _make(self, point: _Point) -> Chunk:
        try:
            chunk = await run_in_threadpool(self._read, *point)
        finally:
            del self._making[point]
        if chunk.is_full and len(chunk.content) <= _BYTES_KEPT:
            self._kept[point] = chunk
        return chunk

    def _read(self, job_id: UUID, position: Position, kinds: frozenset[str]) -> Chunk:
        with self._database.reading() as session:
            batch = feed.next_batch(session, job_id, position, kinds)
            tells_progress = "progress" in kinds and not batch.is_full
            progress = jobs.find_progress(session, job_id) if tells_progress else None
        events = []
        for item in batch.items:
            position = position.after(item)
            events.append(_encode(item, position))
        return Chunk(
            b"".join(events), position, batch.version, batch.is_last, batch.is_full, _encode_progress(progress)
        )


def _encode(item: Epoch | Event, position: Position) -> bytes:
    if isinstance(item, Epoch):
        return format_sse_event(data_str=view_epoch(item).model_dump_json(), event="epoch", id=str(position))
    view = EventView.model_validate(item)
    return format_sse_event(data_str=view.model_dump_json(), event=item.kind, id=str(position))


def _encode_progress(progress: jobs.Progress | None) -> bytes:
    """Without an id: whoever comes back is told anew."""
    if progress is None:
        return b""
    view = ProgressEventView(status=progress.status, progress=view_progress(progress), loss=progress.loss_last)
    return format_sse_event(data_str=view.model_dump_json(), event="progress")
