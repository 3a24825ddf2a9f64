"""Routes for jobs."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service.api.dependencies import (
    After,
    DatabaseDep,
    JobResponsesDep,
    Limit,
    QueueDep,
    SessionDep,
    SettingsDep,
    StorageDep,
    WaitDep,
    require_json,
    wait_seconds,
)
from service.api.documentation import document_headers
from service.api.examples import JOB_REQUESTS
from service.api.guards.route_guards import Family
from service.api.polling.responses import IfMatchDep, JobResponses, matches_etag
from service.api.schemas.jobs import JobView
from service.api.schemas.view import Page
from service.jobs import jobs
from service.store.jobs import Filters
from slope.spec import JobRequest
from slope.statuses import STATUSES, JobStatus

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=255, pattern=r"^[\x20-\x7e]+$", description="Makes a repeated request harmless"),
]
MAX_METADATA = 50
"""As many as a job can have."""
_METADATA = "Jobs whose metadata has all of these, as `metadata[course]=autograd`"
Metadata = Annotated[tuple[tuple[str, str], ...], Depends(Family("metadata", MAX_METADATA, _METADATA))]
Statuses = Annotated[list[JobStatus] | None, Query(description="Jobs of any of these", max_length=len(STATUSES))]


@router.post(
    "",
    status_code=202,
    response_model=JobView,
    dependencies=[Depends(require_json)],
    responses={200: {"description": "The finished job, where `Prefer: wait=N` was in time", "model": JobView}},
)
async def submit_job(
    request: Annotated[JobRequest, Body(openapi_examples=JOB_REQUESTS)],
    database: DatabaseDep,
    storage: StorageDep,
    queue: QueueDep,
    settings: SettingsDep,
    responses: JobResponsesDep,
    wait: WaitDep,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Accept a training job and hand it to the workers."""
    submission = await run_in_threadpool(
        jobs.submit_job,
        database,
        storage,
        queue,
        request,
        key=idempotency_key,
        settings=settings,
    )
    answer = await responses.final(submission, wait)
    headers = {"Location": f"{settings.root_path}/v1/jobs/{submission.job_id}"}
    if submission.replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(answer.body, 200 if wait and answer.is_final else 202, headers, media_type="application/json")


@router.get("")
def list_jobs(
    session: SessionDep,
    metadata: Metadata,
    status: Statuses = None,
    name: Annotated[str | None, Query(pattern=r"^[^\x00]*$")] = None,
    dataset_id: UUID | None = None,
    sweep_id: UUID | None = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[JobView]:
    """Jobs, newest first. `metadata[key]=value` filters by metadata, up to 50 times.

    What is long is null here, and only the job itself has it: weights, `scaled`, `analysis` and the names of columns
    where there are more than 100 features; `predict` and `initial_weights` of more than 100.
    """
    filters = Filters(tuple(status or ()), name, dataset_id, sweep_id, metadata)
    found, following = jobs.list_jobs(session, filters, before=after, limit=limit)
    views = list(map(JobView.on_a_page, found, jobs.waiting_reasons(session, found)))
    return Page(data=views, next=str(following) if following else None)


# Most requests are polls. What FastAPI would find for itself of this one is found by hand: that is a third of its time.
@router.get(
    "/{job_id}",
    response_model=JobView,
    responses={304: {"description": "Not changed since that ETag"}},
    openapi_extra=document_headers("If-None-Match", "Prefer"),
)
async def get_job(job_id: UUID, request: Request) -> Response:
    """A job as it stands. With `Prefer: wait=N` the answer is held back until the job changes."""
    responses: JobResponses = request.app.state.job_responses
    wait, if_none_match = wait_seconds(request.headers.get("prefer")), request.headers.get("if-none-match")
    answer = await responses.of(job_id)
    if wait and not answer.is_final and (if_none_match is None or matches_etag(if_none_match, answer.tag)):
        answer = await responses.after(job_id, answer.version, wait)
    if matches_etag(if_none_match, answer.tag):
        return Response(status_code=304, headers={"ETag": answer.tag})
    return Response(answer.body, media_type="application/json", headers={"ETag": answer.tag})


@router.post("/{job_id}/cancel", status_code=202)
def cancel_job(job_id: UUID, database: DatabaseDep, if_match: IfMatchDep) -> JobView:
    """Cancel a job: immediately while it waits, at its next flush while it runs."""
    return JobView.of(jobs.cancel_job(database, job_id, if_match))


@router.delete("/{job_id}", status_code=204)
def delete_job(job_id: UUID, database: DatabaseDep, storage: StorageDep, if_match: IfMatchDep) -> None:
    """Delete a job and all its records, and the data that came with it."""
    jobs.delete_job(database, storage, job_id, if_match)
