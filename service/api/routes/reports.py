"""A job as one HTML file without a network: the dashboard's pages of it, with the answers that they ask for inside."""

import re
from collections.abc import Iterable
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
"""Steps of a report whose chain rule can be walked: of the first epochs, before the run broke, and of the last."""
_MOST_OF_EPOCH = 20
_EPOCHS = 600
_ROWS = 1000
_INFLUENTIAL = 50
_BREAK = re.compile(r"in epoch (\d+), step (\d+)")
"""In the sentence of slope.records.Diverged."""
_Place = tuple[int, int | None]
"""An epoch, and the last of the steps that are kept of it; None where these are the first ones."""
_PATH = 200
"""Steps of the path over the loss surface; of more it is drawn by epochs."""


@router.get("", response_class=HTMLResponse, dependencies=[looks_at_much(lane="reports")])
async def get_report(job_id: UUID, request: Request, database: DatabaseDep) -> Response:
    """A job as one HTML file that needs no network: what a teacher mails to a class.

    It has the charts with their cursor, and the chain rule of up to 60 steps to be walked: those of the first epochs,
    and of the last, or of those where the run broke. Of many epochs it has 600, every extreme of the loss among them.
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
        await self._keep_steps(_places(job, [epoch["epoch"] for epoch in epochs["data"]] if epochs else []))
        return self._found

    async def _keep_path(self) -> None:
        """All steps of the run, or none: a part of them would pass for the whole."""
        address = f"{self._job}/steps"
        path = await self._keep(address, limit=str(_PATH))
        if path and path["next"] is not None:
            del self._found[address]

    async def _keep_steps(self, places: Iterable[_Place]) -> None:
        left = MOST_STEPS
        for epoch, last in places:
            if left <= 0:
                return
            of_epoch, count = f"{self._job}/epochs/{epoch}/steps", min(left, _MOST_OF_EPOCH)
            window = {"limit": str(count)} | ({} if last is None else {"after": str(max(last - count, -1))})
            steps = await self._ask(of_epoch, window)
            unrecorded = [{"step": 0}] if epoch == 0 else []  # it has a graph where a job broke in its first step
            for step in self._added(of_epoch, steps) if steps else unrecorded:
                await self._keep(f"{of_epoch}/{step['step']}/graph")
                left -= 1

    def _added(self, of_epoch: str, steps: Json) -> list[Json]:
        """Those of the steps that were not kept before; of an epoch there may be some of its begin and of its end."""
        kept = {step["step"]: step for step in self._found.get(of_epoch, {"data": []})["data"]}
        new = {step["step"]: step for step in steps["data"] if step["step"] not in kept}
        self._found[of_epoch] = {"data": [step for _, step in sorted((kept | new).items())], "next": None}
        return list(new.values())

    async def _keep(self, address: str, **query: str) -> Json | None:
        """None where there is nothing, which the page then says."""
        found = await self._ask(address, query)
        if found is not None:
            self._found[address] = found
        return found

    async def _ask(self, address: str, query: dict[str, str]) -> Json | None:
        answer = await self._service.get(address, params=query)
        found: Json | None = answer.json() if answer.status_code == 200 else None
        return found


def _places(job: Json, epochs: list[int]) -> list[_Place]:
    """Where steps are kept: at the first of all, at those before the run broke, at the last, and at all others."""
    broken = _before_break(job)
    first, *others = epochs or [0]
    return [(first, None), *([broken] if broken else []), *((epoch, None) for epoch in [*others[-1:], *others[:-1]])]


def _before_break(job: Json) -> _Place | None:
    """The last step that was kept, or can be replayed, before the numbers of a run stopped being finite."""
    error = job.get("error") or {}
    found = _BREAK.search(error.get("detail") or "") if error.get("code") == "diverged" else None
    if found is None:
        return None
    (epoch, step), plan = map(int, found.groups()), job["plan"]
    is_kept = plan["steps_recorded"] and job["sweep_id"] is None  # of an epoch that broke nothing can be replayed
    if step and is_kept:
        return epoch, step - 1
    return (epoch - 1, -(-plan["steps"] // job["progress"]["epochs"]) - 1) if epoch else None
