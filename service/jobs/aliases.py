"""Aliases of jobs: the decisions and the commits."""

from uuid import UUID

from sqlalchemy.orm import Session

from service.errors import AliasNotFound, InvalidRequest
from service.store.database import Database
from service.store.jobs import aliases, jobs
from service.store.tables import Alias
from slope.spec import Fault


def put_alias(database: Database, name: str, job_id: UUID) -> Alias:
    """Let a name stand for a job from now on. Raises InvalidRequest where there is no such job."""
    with database.writing() as session:
        jobs.lock_job(session, job_id)  # so that nobody deletes it meanwhile
        if jobs.find_job(session, job_id) is None:
            detail = f"There is no job {job_id}"
            raise InvalidRequest(detail, [Fault(detail, "/job")])
        alias = aliases.write_alias(session, name, job_id)
        session.commit()
    return alias  # as this wrote it: it may be another's by now, or gone


def list_aliases(session: Session, *, after: str | None, limit: int) -> tuple[list[Alias], str | None]:
    """By name, and the name after which the next page begins."""
    found = aliases.select_aliases(session, after=after, limit=limit + 1)
    return found[:limit], found[limit - 1].name if len(found) > limit else None


def delete_alias(database: Database, name: str) -> None:
    """The job stays, and has its id."""
    with database.writing() as session:
        if not aliases.remove_alias(session, name):
            raise AliasNotFound(name)
        session.commit()
