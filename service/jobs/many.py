"""Jobs by the page, and many jobs changed by one request: those that filters select."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from sqlalchemy.orm import Session

from service.errors import InvalidRequest, JobHasAlias, JobIsRunning, JobNotFound
from service.jobs.jobs import delete_job
from service.storage import Storage
from service.store.database import Database
from service.store.jobs import jobs, lists
from service.store.jobs.lists import Filters, Order, Position
from service.store.tables import Job
from slope.statuses import OPEN, STATUSES

MOST_CHANGED = 1000
"""Jobs that one request changes."""
_LONGEST_SECONDS = 10.0
"""A request deletes no further jobs after this time: some have millions of records."""


@dataclass(frozen=True)
class Changes:
    """How many jobs the filters selected that can be changed so, and which of them were, or would be."""

    matched: int
    job_ids: list[UUID]


def list_jobs(
    session: Session, filters: Filters, *, order: Order, after: Position | None, limit: int
) -> tuple[list[Job], Position | None]:
    """Jobs in that order, and the position after which the next page begins."""
    found = lists.select_jobs(session, filters, order=order, after=after, limit=limit + 1)
    return found[:limit], lists.position_of(found[limit - 1], order) if len(found) > limit else None


def cancel_jobs(database: Database, filters: Filters, *, longest: float | None = None, dry_run: bool) -> Changes:
    """Cancel those of the jobs that have not ended, oldest first."""
    changes = _selected(database, filters, OPEN, longest)
    if not dry_run and changes.job_ids:
        with database.writing() as session:
            jobs.cancel_all(session, Job.id.in_(changes.job_ids))
            session.commit()
    return changes


def delete_jobs(
    database: Database, storage: Storage, filters: Filters, *, longest: float | None = None, dry_run: bool
) -> Changes:
    """Delete those of the jobs that do not run and have no alias, oldest first, each by itself: what is deleted stays
    deleted."""
    still = [status for status in STATUSES if status != "running"]
    changes = _selected(database, filters, still, longest, without_alias=True)
    if dry_run:
        return changes
    deadline, deleted = monotonic() + _LONGEST_SECONDS, []
    for job_id in changes.job_ids:
        if monotonic() > deadline:
            break
        if _is_deleted(database, storage, job_id):
            deleted.append(job_id)
    return Changes(changes.matched, deleted)


def _is_deleted(database: Database, storage: Storage, job_id: UUID) -> bool:
    """False where it has begun to run or has got an alias, or somebody else has deleted it."""
    try:
        delete_job(database, storage, job_id)
    except (JobHasAlias, JobIsRunning, JobNotFound):
        return False
    return True


def _selected(
    database: Database, filters: Filters, statuses: Sequence[str], longest: float | None, *, without_alias: bool = False
) -> Changes:
    if filters.keep_all:
        raise InvalidRequest(
            "Say which jobs: give at least one of the filters of GET /v1/jobs, as `status=failed` or `name=…`"
        )
    with database.reading(longest=longest) as session:
        matched = lists.count_selected(session, filters, statuses, without_alias=without_alias)
        return Changes(
            matched, lists.select_ids(session, filters, statuses, without_alias=without_alias, limit=MOST_CHANGED)
        )
