"""Routes for jobs."""

from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Header, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import State

from service import tracing
from service.api.dependencies import (
    DatabaseDep,
    JobResponsesDep,
    QueueDep,
    StorageDep,
    WaitDep,
    database_for,
    require_json,
    responses_for,
    wait_seconds,
)
from service.api.document.examples import JOB_REQUESTS, RERUN_PATCHES
from service.api.document.openapi import document_headers
from service.api.polling.responses import IfMatchDep, JobResponse, JobResponses, matches_etag
from service.api.polling.watch import Batches
from service.api.schemas.jobs import view_job
from service.jobs import changes, jobs, pauses
from service.jobs.intake import Handed, is_small
from service.jobs.jobs import Submission
from service.jobs.quotas import OwnerBusy
from service.jobs.starts import Start
from service.records import continuation
from service.store.database import Database
from service.tracing import trace_columns
from slope.answers.jobs import JobView
from slope.spec import JobRequest
from slope.spec.changes import JobChange, RequestPatch
from slope.spec.faults import in_words

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_PRINTABLE = in_words(r"^[\x20-\x7e]+$", "It should have printable characters of ASCII alone")
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=255, pattern=_PRINTABLE, description="Makes a repeated request harmless"),
]


class Desk:
    """Where requests for jobs are handed in."""

    def __init__(self, state: State, database: Database, responses: JobResponses, wait: float, key: str | None) -> None:
        self._state, self._database, self._responses = state, database, responses
        self._wait = wait
        self._key = key

    async def submit(self, request: JobRequest, start: Start | None = None) -> Response:
        """202 with the job, or 200 where it has ended while the client waited."""
        submission = await self._submission(request, start)
        answer = await self._responses.final(submission, self._wait)
        headers = {"Location": f"{self._state.settings.root_path}/v1/jobs/{submission.job_id}"}
        if submission.replayed:
            headers["Idempotency-Replayed"] = "true"
        status = 200 if self._wait and answer.is_final else 202
        return Response(answer.body, status, headers, media_type="application/json")

    async def _submission(self, request: JobRequest, start: Start | None) -> Submission:
        """Of a small job together with others that come now, unless it had to wait for something of its owner."""
        if start is None and self._key is None and is_small(request):
            together: Batches[Handed, Submission] = self._state.submissions
            trace = trace_columns() if tracing.tracer else {}
            with suppress(OwnerBusy):
                return await together.of(Handed(request, self._database.owner, trace))
        return await run_in_threadpool(self._accept, request, start)

    def _accept(self, request: JobRequest, start: Start | None) -> Submission:
        state, database = self._state, self._database
        if start is None and request.initial_from:
            if self._key and (earlier := jobs.find_submission(database, request, self._key)):
                return earlier  # the other job may be deleted by now
            start = continuation.find_start(database, state.storage, request)
        handed_in = (database, state.storage, state.queue, request)
        return jobs.submit_job(*handed_in, start=start, key=self._key, settings=state.settings)


# One dependency instead of seven: each costs a job about as much as its row.
async def _desk(request: Request, wait: WaitDep, idempotency_key: IdempotencyKey = None) -> Desk:
    return Desk(request.app.state, database_for(request), responses_for(request), wait, idempotency_key)


DeskDep = Annotated[Desk, Depends(_desk)]
_ACCEPTING: dict[str, Any] = {
    "status_code": 202,
    "response_model": JobView,
    "dependencies": [Depends(require_json)],
    "responses": {200: {"description": "The finished job, where `Prefer: wait=N` was in time", "model": JobView}},
}


@router.post("", **_ACCEPTING)
async def submit_job(request: Annotated[JobRequest, Body(openapi_examples=JOB_REQUESTS)], desk: DeskDep) -> Response:
    """Accept a training job and hand it to the workers."""
    return await desk.submit(request)


@router.post("/{job_id}/rerun", **_ACCEPTING)
async def rerun_job(
    job_id: UUID,
    patch: Annotated[RequestPatch, Body(openapi_examples=RERUN_PATCHES)],
    desk: DeskDep,
    database: DatabaseDep,
) -> Response:
    """Train a job again as a new one, on the same data, with the changes of a merge patch (RFC 7396) of its request.

    `{}` changes nothing. A null takes a value away: it then has its default.
    """
    return await desk.submit(*await run_in_threadpool(_request_again, database, job_id, patch.root))


def _request_again(database: Database, job_id: UUID, patch: dict[str, Any]) -> tuple[JobRequest, Start | None]:
    with database.reading() as session:
        return changes.request_again(session, job_id, patch)


# Most requests are polls. What FastAPI would find for itself of this one is found by hand: that is a third of its time.
@router.get(
    "/{job_id}",
    response_model=JobView,
    responses={304: {"description": "Not changed since that ETag"}},
    openapi_extra=document_headers("If-None-Match", "Prefer"),
)
async def get_job(job_id: UUID, request: Request) -> Response:
    """A job as it stands. With `Prefer: wait=N` the answer is held back until the job changes."""
    responses = responses_for(request)
    wait, if_none_match = wait_seconds(request.headers.get("prefer")), request.headers.get("if-none-match")
    answer = await responses.of(job_id)
    if wait and not answer.is_final and (if_none_match is None or matches_etag(if_none_match, answer.tag)):
        answer = await responses.after(job_id, answer.version, wait)
    if matches_etag(if_none_match, answer.tag):
        return Response(status_code=304, headers={"ETag": answer.tag})
    return _tagged(answer)


@router.post("/{job_id}/cancel", status_code=202)
def cancel_job(job_id: UUID, database: DatabaseDep, if_match: IfMatchDep) -> JobView:
    """Cancel a job: immediately while it waits, at its next flush while it runs."""
    return view_job(jobs.cancel_job(database, job_id, if_match))


@router.post("/{job_id}/pause", status_code=202, response_model=JobView)
async def pause_job(job_id: UUID, database: DatabaseDep, responses: JobResponsesDep, if_match: IfMatchDep) -> Response:
    """Pause a job: immediately while it waits, at its next flush while it runs. Its worker is free then.

    Resumed, it goes on from there to the same bits. Of a sweep each job is paused by itself.
    """
    await run_in_threadpool(pauses.pause_job, database, job_id, if_match)
    return _tagged(await responses.of(job_id), 202)


@router.post("/{job_id}/resume", status_code=202, response_model=JobView)
async def resume_job(
    job_id: UUID, database: DatabaseDep, queue: QueueDep, responses: JobResponsesDep, if_match: IfMatchDep
) -> Response:
    """Put a paused job back into the queue. If its worker has not stopped yet, the pause is taken back."""
    await run_in_threadpool(pauses.resume_job, database, queue, job_id, if_match)
    return _tagged(await responses.of(job_id), 202)


@router.delete("/{job_id}", status_code=204)
def delete_job(job_id: UUID, database: DatabaseDep, storage: StorageDep, if_match: IfMatchDep) -> None:
    """Delete a job and all its records, and the data that came with it."""
    jobs.delete_job(database, storage, job_id, if_match)


@router.patch("/{job_id}", response_model=JobView, dependencies=[Depends(require_json)])
async def describe_job(
    job_id: UUID, change: JobChange, database: DatabaseDep, responses: JobResponsesDep, if_match: IfMatchDep
) -> Response:
    """Change a job's name and metadata, whatever its status: a merge patch (RFC 7396), in which null takes away."""
    await run_in_threadpool(changes.describe_job, database, job_id, change, if_match)
    return _tagged(await responses.of(job_id))


def _tagged(answer: JobResponse, status: int = 200) -> Response:
    return Response(answer.body, status, media_type="application/json", headers={"ETag": answer.tag})
