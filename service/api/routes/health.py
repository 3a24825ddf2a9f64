"""Whether the process lives, and whether it can do its work."""

import asyncio
from collections.abc import Callable
from typing import Literal, TypeVar

from anyio import CapacityLimiter, move_on_after, to_thread
from fastapi import APIRouter, Response

from service.api.dependencies import DatabaseDep, QueueDep, StorageDep
from service.errors import ServiceError
from service.storage import Storage
from service.store import workers
from service.store.database import Database
from service.store.tables import Worker
from slope.answers.health import Readiness, State
from slope.answers.view import View

router = APIRouter(tags=["health"])

Seen = TypeVar("Seen")

_ANSWER_SECONDS = 3.0
"""What has not answered by then counts as not answering."""
_threads = CapacityLimiter(6)
"""Threads of their own, for two questions at a time: some may take a while."""


class Liveness(View):
    status: Literal["alive"] = "alive"
    """It answers."""


@router.get("/livez")
async def livez() -> Liveness:
    """The process answers. It waits for no thread, nor for anything else."""
    return Liveness()


@router.get("/readyz", responses={503: {"model": Readiness}})
async def readyz(response: Response, database: DatabaseDep, storage: StorageDep, queue: QueueDep) -> Readiness:
    """Whether jobs are accepted (database and storage answer) and run immediately (so do the broker and a worker)."""
    alive, can_store, broker = await asyncio.gather(
        _in_time(lambda: _live_workers(database)), _in_time(lambda: _can_store(storage)), _in_time(queue.is_reachable)
    )
    deaf = [worker.id for worker in alive or [] if not worker.hears_broker]
    status: State = "ready" if broker and alive and not deaf else "degraded"
    if alive is None or not can_store:
        response.status_code, status = 503, "unavailable"
        response.headers["Retry-After"] = "2"
    return Readiness(
        status=status,
        database=alive is not None,
        storage=bool(can_store),
        broker=bool(broker),
        workers=len(alive or []),
        without_broker=deaf,
    )


async def _in_time(look: Callable[[], Seen]) -> Seen | None:
    """What was seen; None when it takes too long."""
    with move_on_after(_ANSWER_SECONDS):
        return await to_thread.run_sync(look, abandon_on_cancel=True, limiter=_threads)
    return None


def _can_store(storage: Storage) -> bool:
    try:
        storage.check()
    except ServiceError:
        return False
    return True


def _live_workers(database: Database) -> list[Worker] | None:
    """None when the database does not answer."""
    try:
        with database.reading() as session:
            return [worker for worker, alive in workers.list_workers(session) if alive]
    except ServiceError:
        return None
