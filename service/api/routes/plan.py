"""The route that tells what a job would do."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends

from service.api.dependencies import DatabaseDep, SettingsDep, StorageDep, require_json
from service.api.document.examples import JOB_REQUESTS
from service.api.lanes import looks_at_much
from service.api.schemas.jobs import view_draft
from service.jobs import drafts
from service.records import continuation
from slope.answers.jobs import DraftView
from slope.spec import JobRequest

router = APIRouter(prefix="/v1/plan", tags=["jobs"])


@router.post("", dependencies=[Depends(require_json), looks_at_much()])
def plan_job(
    request: Annotated[JobRequest, Body(openapi_examples=JOB_REQUESTS)],
    database: DatabaseDep,
    storage: StorageDep,
    settings: SettingsDep,
) -> DraftView:
    """What a job would do: engine, steps, recorded numbers, the exact solution, stability limits. Queues nothing.

    `analysis` is null where it takes so long that the worker is to make it: `analysis_follows`. `candidates` are all
    engines: those that apply with their estimated seconds and memory, the others with what stands
    in their way.
    """
    start = continuation.find_start(database, storage, request) if request.initial_from else None
    return view_draft(drafts.draft_job(database, storage, start.begin(request) if start else request, settings))
