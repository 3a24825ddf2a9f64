"""What happened to a job, in order. `seq` counts from 1 without a gap: it is taken from the job's own row."""

from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from service.store.database import now
from service.store.tables import Event, Job


def add_status(session: Session, job_id: UUID, status: str, detail: str | None = None) -> None:
    level = "error" if status == "failed" else "info"
    _add(session, job_id, kind="status", level=level, status=status, detail=detail)


def add_warning(
    session: Session, job_id: UUID, detail: str, *, level: str = "warning", code: str | None = None
) -> None:
    """A sentence that says what is peculiar and what to do."""
    _add(session, job_id, kind="warning", level=level, code=code, detail=detail)


def after(session: Session, job_id: UUID, seq: int, limit: int) -> list[Event]:
    """At most `limit` events that follow the given one, ascending."""
    query = select(Event).where(Event.job_id == job_id, Event.seq > seq).order_by(Event.seq).limit(limit)
    return list(session.scalars(query))


def _add(session: Session, job_id: UUID, **values: Any) -> None:
    counted = session.execute(
        update(Job)
        .where(Job.id == job_id)
        .values(event_count=Job.event_count + 1)
        .returning(Job.event_count, Job.epochs_done)
    ).one()
    row = {"job_id": job_id, "seq": counted.event_count, "at": now(session), "epochs_done": counted.epochs_done}
    session.execute(insert(Event), [row | {"status": None, "code": None, "detail": None} | values])
