"""Routes for sweeps."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Response

from service.api.dependencies import (
    After,
    DatabaseDep,
    Limit,
    QueueDep,
    SessionDep,
    SettingsDep,
    StorageDep,
    require_json,
)
from service.api.document.examples import SWEEP_REQUESTS
from service.api.lanes import looks_at_much
from service.api.routes.jobs import IdempotencyKey
from service.api.schemas.sweeps import view_ranked_sweep, view_sweep, view_sweep_on_a_page
from service.errors import InvalidRequest
from service.jobs import sweeps
from service.store.jobs.sweeps import Rank
from slope.answers.sweeps import RankedSweepView, SweepView
from slope.answers.view import Page
from slope.spec import Fault, SweepRequest

router = APIRouter(prefix="/v1/sweeps", tags=["sweeps"])

RankedBy = Annotated[
    Literal["loss", "training_loss", "validation_loss", "cross_validation"] | None,
    Query(
        description="By default the validation loss where rows are held back, else the cross-validation that was asked"
        " for when all jobs have ended, else the training loss without penalties"
    ),
]


@router.post("", status_code=202, dependencies=[Depends(require_json), looks_at_much()])
def submit_sweep(
    request: Annotated[SweepRequest, Body(openapi_examples=SWEEP_REQUESTS)],
    database: DatabaseDep,
    storage: StorageDep,
    queue: QueueDep,
    settings: SettingsDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> SweepView:
    """Accept up to 10,000 jobs on one dataset, all or none. Settings that can be trained together are."""
    accepted = sweeps.submit_sweep(database, storage, queue, request, key=idempotency_key, settings=settings)
    response.headers["Location"] = f"{settings.root_path}/v1/sweeps/{accepted.sweep_id}"
    if accepted.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    with database.reading() as session:
        return view_sweep(sweeps.get_sweep(session, accepted.sweep_id))


@router.get("", dependencies=[looks_at_much()])
def list_sweeps(session: SessionDep, after: After = None, limit: Limit = 50) -> Page[SweepView]:
    """Sweeps, newest first."""
    found, following = sweeps.list_sweeps(session, before=after, limit=limit)
    return Page(data=[view_sweep_on_a_page(summary) for summary in found], next=str(following) if following else None)


@router.get("/{sweep_id}")
def get_sweep(
    sweep_id: UUID,
    session: SessionDep,
    by: RankedBy = None,
    after: Annotated[str | None, Query(max_length=80, description="The `next` of the page before")] = None,
    limit: Limit = 50,
) -> RankedSweepView:
    """A sweep as it stands, and a page of its jobs from the smallest loss up. `GET /v1/jobs?sweep_id=` has them all."""
    summary = sweeps.get_sweep(session, sweep_id)
    order = by or sweeps.default_ranking(summary)
    rank = None if after is None else _rank(after)
    found, following = sweeps.rank_jobs(session, sweep_id, order, after=rank, limit=limit)
    return view_ranked_sweep(summary, order, found, f"{following.loss!r}_{following.job_id}" if following else None)


@router.post("/{sweep_id}/cancel", status_code=202)
def cancel_sweep(sweep_id: UUID, database: DatabaseDep) -> SweepView:
    """Cancel all jobs of a sweep that have not ended: immediately while they wait, within a second while they run."""
    sweeps.cancel_sweep(database, sweep_id)
    with database.reading() as session:
        return view_sweep(sweeps.get_sweep(session, sweep_id))


@router.delete("/{sweep_id}", status_code=204)
def delete_sweep(sweep_id: UUID, database: DatabaseDep, storage: StorageDep) -> None:
    """Delete a sweep with all of its jobs and their records."""
    sweeps.delete_sweep(database, storage, sweep_id)


def _rank(after: str) -> Rank:
    loss, _, job_id = after.partition("_")
    try:
        return Rank(float(loss), UUID(job_id))
    except ValueError as error:
        detail = "It is no `next` that this call gave"
        raise InvalidRequest(detail, [Fault(detail, "/query/after")]) from error
