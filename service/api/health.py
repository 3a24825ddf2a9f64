"""Whether the process lives, and whether it can do its work."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from service.api.dependencies import DatabaseDep, QueueDep
from service.store import workers
from service.store.database import Database

router = APIRouter(tags=["health"])

State = Literal["ready", "degraded", "unavailable"]


class Readiness(BaseModel):
    status: State
    """`degraded`: jobs are accepted, and run when what is missing is back."""
    database: bool
    broker: bool
    workers: int
    """How many are alive."""


@router.get("/livez")
def livez() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"model": Readiness}})
def readyz(response: Response, database: DatabaseDep, queue: QueueDep) -> Readiness:
    """Whether jobs are accepted (the database answers) and run at once (so do the broker and a worker)."""
    alive, broker = _live_workers(database), queue.is_reachable()
    if alive is None:
        response.status_code = 503
        return Readiness(status="unavailable", database=False, broker=broker, workers=0)
    status: State = "ready" if broker and alive else "degraded"
    return Readiness(status=status, database=True, broker=broker, workers=alive)


def _live_workers(database: Database) -> int | None:
    """None when the database does not answer."""
    try:
        with database.reading() as session:
            return sum(alive for _, alive in workers.everyone(session))
    except SQLAlchemyError:
        return None
