"""Aliases: names that stand for jobs. A name is its owner's: by it nobody finds another's, whatever else is seen."""

from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.store.database import now, owner_of
from service.store.tables import Alias, Job

_ALL = Alias.__table__
"""Those of everybody: the operator, who sees all jobs, may have given a name to anyone's."""


def has_alias() -> ColumnElement[bool]:
    """Whether a job has one."""
    return exists().where(_ALL.c.job_id == Job.id)


def find_aliased_job(connection: Connection, name: str, owner: str) -> UUID | None:
    return connection.scalar(select(Alias.job_id).where(Alias.owner == owner, Alias.name == name))


def aliases_of(session: Session, job_id: UUID) -> list[str]:
    return list(session.scalars(select(_ALL.c.name).where(_ALL.c.job_id == job_id).order_by(_ALL.c.name)))


def aliases_in_sweep(session: Session, sweep_id: UUID) -> list[str]:
    query = select(_ALL.c.name).join(Job, Job.id == _ALL.c.job_id).where(Job.sweep_id == sweep_id)
    return list(session.scalars(query.order_by(_ALL.c.name)))


def select_aliases(session: Session, *, after: str | None, limit: int) -> list[Alias]:
    """At most `limit` aliases by name, after one."""
    query = select(Alias).where(Alias.owner == owner_of(session)).order_by(Alias.name).limit(limit)
    return list(session.scalars(query if after is None else query.where(Alias.name > after)))


def write_alias(session: Session, name: str, job_id: UUID) -> Alias:
    """Let a name stand for a job, whatever it stood for, in one statement."""
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    given = {"job_id": job_id, "changed_at": now(session)}
    statement = insert(Alias).values(owner=owner_of(session), name=name, **given)
    key = [Alias.owner, Alias.name]
    written = statement.on_conflict_do_update(index_elements=key, set_=given).returning(Alias)
    return session.scalars(written, execution_options={"populate_existing": True}).one()


def remove_alias(session: Session, name: str) -> bool:
    gone = delete(Alias).where(Alias.owner == owner_of(session), Alias.name == name)
    return session.scalar(gone.returning(Alias.name)) is not None
