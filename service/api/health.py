"""Whether the process lives, and whether it can do its work."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from service.api.dependencies import DatabaseDep, QueueDep, StorageDep
from service.errors import ServiceError
from service.storage import Storage
from service.store import workers
from service.store.database import Database

router = APIRouter(tags=["health"])

State = Literal["ready", "degraded", "unavailable"]


class Readiness(BaseModel):
    status: State
    """`degraded`: jobs are accepted, and run when what is missing is back."""
    database: bool
    storage: bool
    """Whether datasets can be kept and read."""
    broker: bool
    workers: int
    """How many are alive."""


@router.get("/livez")
def livez() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"model": Readiness}})
def readyz(response: Response, database: DatabaseDep, storage: StorageDep, queue: QueueDep) -> Readiness:
    """Whether jobs are accepted (database and storage answer) and run at once (so do the broker and a worker)."""
    alive, can_store, broker = _live_workers(database), _can_store(storage), queue.is_reachable()
    status: State = "ready" if broker and alive else "degraded"
    if alive is None or not can_store:
        response.status_code, status = 503, "unavailable"
    return Readiness(status=status, database=alive is not None, storage=can_store, broker=broker, workers=alive or 0)


def _can_store(storage: Storage) -> bool:
    try:
        storage.check()
    except ServiceError:
        return False
    return True


def _live_workers(database: Database) -> int | None:
    """None when the database does not answer."""
    try:
        with database.reading() as session:
            return sum(alive for _, alive in workers.everyone(session))
    except SQLAlchemyError:
        return None
