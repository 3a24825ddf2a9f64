"""Aliases: names that stand for jobs."""

from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.store.database import now
from service.store.tables import Alias, Job


def has_alias() -> ColumnElement[bool]:
    """Whether a job has one."""
    return exists().where(Alias.job_id == Job.id)


def find_aliased_job(connection: Connection, name: str) -> UUID | None:
    return connection.scalar(select(Alias.job_id).where(Alias.name == name))


def find_alias(session: Session, name: str) -> Alias | None:
    return session.get(Alias, name)


def aliases_of(session: Session, job_id: UUID) -> list[str]:
    return list(session.scalars(select(Alias.name).where(Alias.job_id == job_id).order_by(Alias.name)))


def aliases_in_sweep(session: Session, sweep_id: UUID) -> list[str]:
    query = select(Alias.name).join(Job, Job.id == Alias.job_id).where(Job.sweep_id == sweep_id)
    return list(session.scalars(query.order_by(Alias.name)))


def select_aliases(session: Session, *, after: str | None, limit: int) -> list[Alias]:
    """At most `limit` aliases by name, after one."""
    query = select(Alias).order_by(Alias.name).limit(limit)
    return list(session.scalars(query if after is None else query.where(Alias.name > after)))


def write_alias(session: Session, name: str, job_id: UUID) -> Alias:
    """Let a name stand for a job, whatever it stood for, in one statement."""
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    given = {"job_id": job_id, "changed_at": now(session)}
    statement = insert(Alias).values(name=name, **given)
    written = statement.on_conflict_do_update(index_elements=[Alias.name], set_=given).returning(Alias)
    return session.scalars(written, execution_options={"populate_existing": True}).one()


def remove_alias(session: Session, name: str) -> bool:
    return session.scalar(delete(Alias).where(Alias.name == name).returning(Alias.name)) is not None
