"""Routes for the workers and their devices."""

from fastapi import APIRouter

from service.api.dependencies import SessionDep
from service.api.schemas.workers import view_worker
from service.store import workers
from slope.answers.view import Page
from slope.answers.workers import WorkerView

router = APIRouter(prefix="/v1/devices", tags=["devices"])


@router.get("")
def list_devices(session: SessionDep) -> Page[WorkerView]:
    """The workers of the last day with their devices; `alive` says whose sign of life is fresh."""
    return Page(data=[view_worker(worker, alive=alive) for worker, alive in workers.list_workers(session)])
