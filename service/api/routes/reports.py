"""A job as one HTML file without a network: the dashboard's pages of it, with the answers that they ask for inside."""

from typing import Any
from uuid import UUID

import httpx2
import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from service.api.dashboard import REPORT_POLICY, Dashboard
from service.api.dependencies import DatabaseDep
from service.api.lanes import looks_at_much
from service.errors import DashboardNotBuilt
from service.jobs.jobs import get_job
from service.store.database import Database

router = APIRouter(prefix="/v1/jobs/{job_id}/report", tags=["records"])

Json = dict[str, Any]

MOST_STEPS = 60
"""Steps of a report whose chain rule can be walked: those of the first epochs, and of the last."""
_MOST_OF_EPOCH = 20
_EPOCHS = 600
_ROWS = 1000
_INFLUENTIAL = 50
_PATH = 200
"""Steps of the path over the loss surface; of more it is drawn by epochs."""


@router.get("", response_class=HTMLResponse, dependencies=[looks_at_much(lane="reports")])
async def get_report(job_id: UUID, request: Request, database: DatabaseDep) -> Response:
    """A job as one HTML file that needs no network: what a teacher mails to a class.

    It has the charts with their cursor, and the chain rule of up to 60 steps to be walked: those of the first epochs,
    and of the last. Of many epochs it has 600, every extreme of the loss among them.
    """
    await run_in_threadpool(_refuse_missing, database, job_id)
    dashboard: Dashboard = request.app.state.dashboard
    if not dashboard.is_built:
        raise DashboardNotBuilt
    transport, shown = httpx2.ASGITransport(app=request.app), _credentials(request)
    async with httpx2.AsyncClient(transport=transport, base_url=_own_address(request), headers=shown) as service:
        answers = await _Answers(service, f"/v1/jobs/{job_id}").gather()
    headers = {
        "Content-Disposition": f'inline; filename="{job_id}.html"',
        "Content-Security-Policy": REPORT_POLICY,
    }
    return HTMLResponse(dashboard.report(str(job_id), orjson.dumps(answers)), headers=headers)


def _refuse_missing(database: Database, job_id: UUID) -> None:
    with database.reading() as session:
        get_job(session, job_id)


def _credentials(request: Request) -> dict[str, str]:
    """The key by which the reader has come in: the answers are those that the reader would have."""
    return {name: request.headers[name] for name in ("authorization", "cookie") if name in request.headers}


def _own_address(request: Request) -> str:
    root: str = request.scope.get("root_path", "")
    return f"{request.url.scheme}://{request.url.netloc}{root}"


class _Answers:
    """What the service answers at the addresses that the pages of a job ask for."""

    def __init__(self, service: httpx2.AsyncClient, job: str) -> None:
        self._service = service
        self._job = job
        self._found: Json = {}

    async def gather(self) -> Json:
        job = await self._keep(self._job)
        if job is None:
            return self._found
        epochs = await self._keep(f"{self._job}/epochs", points=str(_EPOCHS))
        await self._keep(f"/v1/datasets/{job['dataset']['id']}/rows", limit=str(_ROWS))
        for name in ("predictions", "surface", "statistics"):
            await self._keep(f"{self._job}/{name}")
        await self._keep(f"{self._job}/influence", top=str(_INFLUENTIAL))
        await self._keep_path()
        await self._keep(f"{self._job}/events", limit="200")
        await self._keep_steps([epoch["epoch"] for epoch in epochs["data"]] if epochs and epochs["data"] else [0])
        return self._found

    async def _keep_path(self) -> None:
        """All steps of the run, or none: a part of them would pass for the whole."""
        address = f"{self._job}/steps"
        path = await self._keep(address, limit=str(_PATH))
        if path and path["next"] is not None:
            del self._found[address]

    async def _keep_steps(self, epochs: list[int]) -> None:
        left = MOST_STEPS
        for epoch in [*epochs[:1], *epochs[-1:], *epochs[1:-1]][: len(epochs)]:
            if left <= 0:
                return
            of_epoch = f"{self._job}/epochs/{epoch}/steps"
            steps = await self._keep(of_epoch, limit=str(min(left, _MOST_OF_EPOCH)))
            unrecorded = [{"step": 0}] if epoch == 0 else []  # it has a graph where a job broke in its first step
            for step in steps["data"] if steps else unrecorded:
                await self._keep(f"{of_epoch}/{step['step']}/graph")
                left -= 1

    async def _keep(self, address: str, **query: str) -> Json | None:
        """None where there is nothing, which the page then says."""
        answer = await self._service.get(address, params=query)
        if answer.status_code != 200:
            return None
        found: Json = answer.json()
        self._found[address] = found
        return found
