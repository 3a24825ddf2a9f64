"""What happened to a job, in order. `seq` counts from 1 without a gap: it is taken from the job's own row."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.orm import Session, selectinload

from service.store.database import now
from service.store.tables import Event, Job

_MOST_IDS = 2000
of_jobs = selectinload(Job.events, chunksize=_MOST_IDS)
"""Reads the events of all jobs that a query finds, by one more query."""
_INSERT = insert(Event.metadata.tables["events"])
"""Of the table, not the class: the ORM would take twice as long."""
_QUEUED = {"kind": "status", "level": "info", "status": "queued", "detail": None}
_WARNING = {"kind": "warning", "level": "warning", "status": None}


def add_first(session: Session, warnings: Mapping[UUID, Sequence[str]]) -> None:
    """That new jobs are queued, and what is peculiar of each. Their rows are to count these events already."""
    common = {"at": now(session), "epochs_done": 0, "code": None}
    rows = [
        common | {"job_id": job_id, "seq": seq} | event
        for job_id, details in warnings.items()
        for seq, event in enumerate((_QUEUED, *({"detail": detail, **_WARNING} for detail in details)), 1)
    ]
    session.connection().execute(_INSERT, rows)


def add_status(session: Session, job_id: UUID, status: str, detail: str | None = None) -> None:
    level = "error" if status == "failed" else "info"
    _add(session, job_id, kind="status", level=level, status=status, detail=detail)


def add_statuses(session: Session, job_ids: Sequence[UUID], status: str, detail: str | None = None) -> None:
    """The same status for many jobs."""
    level = "error" if status == "failed" else "info"
    shared = {"kind": "status", "level": level, "status": status}
    _add_many(session, dict.fromkeys(job_ids, detail), shared)


def add_pauses(session: Session, epochs_done: Mapping[UUID, int]) -> None:
    """That jobs are paused from now on."""
    details = {job_id: f"Paused after {done} epochs" for job_id, done in epochs_done.items()}
    _add_many(session, details, {"kind": "status", "level": "info", "status": "paused"})


def add_warning(
    session: Session, job_id: UUID, detail: str, *, level: str = "warning", code: str | None = None
) -> None:
    """A sentence that says what is peculiar and what to do."""
    _add(session, job_id, kind="warning", level=level, code=code, detail=detail)


def events_after(session: Session, job_id: UUID, seq: int, limit: int) -> list[Event]:
    """At most `limit` events that follow the given one, ascending."""
    query = select(Event).where(Event.job_id == job_id, Event.seq > seq).order_by(Event.seq).limit(limit)
    return list(session.scalars(query))


def _add(session: Session, job_id: UUID, **values: Any) -> None:
    _write(session, Job.id == job_id, {job_id: values.pop("detail")}, values)


def _add_many(session: Session, details: Mapping[UUID, str | None], shared: dict[str, Any]) -> None:
    """Some ids in a statement: it has room for no more."""
    job_ids = list(details)
    for start in range(0, len(job_ids), _MOST_IDS):
        _write(session, Job.id.in_(job_ids[start : start + _MOST_IDS]), details, shared)


def _write(
    session: Session, condition: ColumnElement[bool], details: Mapping[UUID, str | None], shared: dict[str, Any]
) -> None:
    counted = session.execute(
        update(Job)
        .where(condition)
        .values(event_count=Job.event_count + 1)
        .returning(Job.id, Job.event_count, Job.epochs_done)
    ).all()
    common = {"at": now(session), "status": None, "code": None} | shared
    rows = [
        common | {"job_id": row.id, "seq": row.event_count, "epochs_done": row.epochs_done, "detail": details[row.id]}
        for row in counted
    ]
    if rows:
        session.connection().execute(_INSERT, rows)
