"""What event streams send, as bytes: made once for all who are at the same point of a job's history."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from cachetools import LRUCache
from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from service.api.schemas.records import view_epoch
from service.records import feed
from service.records.feed import Position
from service.store.database import Database
from service.store.tables import Epoch, Event
from slope.answers.events import EventView

_BYTES_KEPT = 32 * 1024 * 1024

_Point = tuple[UUID, Position]
"""A job, and what of its history has been read."""


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


class Feeds:
    """Keeps what is full: twenty who read a history cost little more than one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: LRUCache[_Point, Chunk] = LRUCache(_BYTES_KEPT, getsizeof=lambda chunk: len(chunk.content))
        self._making: dict[_Point, asyncio.Task[Chunk]] = {}

    async def following(self, job_id: UUID, position: Position) -> Chunk:
        """What follows a position. Raises JobNotFound, unless it was kept."""
        point = (job_id, position)
        if kept := self._kept.get(point):
            return kept
        making = self._making.get(point)
        if making is None:
            making = self._making[point] = asyncio.create_task(self._make(point))
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

    def _read(self, job_id: UUID, position: Position) -> Chunk:
        with self._database.reading() as session:
            batch = feed.next_batch(session, job_id, position)
        events = []
        for item in batch.items:
            position = position.after(item)
            events.append(_encode(item, position))
        return Chunk(b"".join(events), position, batch.version, batch.is_last, batch.is_full)


def _encode(item: Epoch | Event, position: Position) -> bytes:
    if isinstance(item, Epoch):
        return format_sse_event(data_str=view_epoch(item).model_dump_json(), event="epoch", id=str(position))
    view = EventView.model_validate(item)
    return format_sse_event(data_str=view.model_dump_json(), event=item.kind, id=str(position))
