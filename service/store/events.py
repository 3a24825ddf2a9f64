"""What happens to jobs: it is written into their rows, and told in their events, in order.

`seq` of an event counts from 1 without a gap: it is taken from the job's own row.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Interval, Update, bindparam, case, func, insert, null, select, update
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.sql.dml import ReturningUpdate

from service.store.database import now
from service.store.outbox import IS_HEARD, tell_webhooks
from service.store.tables import Event, Job
from slope.spec.names import counted

if TYPE_CHECKING:
    from slope.health import Finding  # needs torch, which the API loads when it is first needed

Wish = Literal["cancel", "pause"]
"""What a client wants of a running job."""
RELEASED: dict[str, Any] = {"lease_token": None, "lease_until": None, "worker_id": None, "process_id": None}
RETURNED: dict[str, Any] = {
    "status": case((Job.pause_requested, "paused"), else_="queued"),
    "pause_requested": False,
    "rung_at": None,
    **RELEASED,
}
"""Of a job that its attempt gives back, or that is taken from it: where a pause was asked for, it begins now."""
BEGINS_LATER: dict[str, Any] = {"started_at": case((Job.epochs_done == 0, null()), else_=Job.started_at)}
"""Of a job that was claimed, and may not have begun: its time begins with another claim."""
_RECORDED: dict[str, Any] = {"crashes": 0, "recorded_in": Job.attempt}
"""A job that advances is not given up, however often its workers die."""
_JOBS = Job.metadata.tables["jobs"]
_MOST_IDS = 2000
_MOST_UPDATES = 64
of_jobs = selectinload(Job.events, chunksize=_MOST_IDS)
"""Reads the events of all jobs that a query finds, by one more query."""
_INSERT = insert(Event.metadata.tables["events"])
"""Of the table, not the class: the ORM would take twice as long."""
_OF_JOB = select(Event).where(Event.job_id == bindparam("job_id"), Event.seq <= bindparam("last")).order_by(Event.seq)
"""Built once: `of_jobs` is built anew for every query."""
_QUEUED = {"kind": "status", "level": "info", "status": "queued", "detail": None}
_WARNING = {"kind": "warning", "level": "warning", "status": None}


class LeasedJob(NamedTuple):
    """What SQL says of a job that is still the lease's."""

    epochs_done: int
    cancel_requested: bool
    pause_requested: bool
    event_count: int
    is_heard: bool
    """Whether webhooks may want to know what becomes of it."""

    @property
    def wish(self) -> Wish | None:
        return wish_of(self.cancel_requested, self.pause_requested)


@dataclass(frozen=True)
class Ending:
    """How a job ends."""

    status: str
    detail: str | None = None


@dataclass(frozen=True)
class JobChange:
    """What is written of a job in one transaction, besides its records."""

    job_id: UUID
    values: dict[str, Any] = field(default_factory=dict)
    """By column."""
    findings: "Sequence[Finding]" = ()
    ending: Ending | None = None


def wish_of(cancel_requested: bool, pause_requested: bool) -> Wish | None:
    if cancel_requested:
        return "cancel"
    return "pause" if pause_requested else None


def ended_columns(session: Session, status: str) -> dict[str, Any]:
    """What a job's row has when it has ended."""
    ended = {"status": status, "finished_at": now(session), "checkpoint": None, "pause_requested": False}
    return ended | RELEASED


def change_jobs(
    session: Session, changes: Sequence[JobChange], locked: Mapping[UUID, LeasedJob], lease_seconds: float
) -> None:
    """Change locked jobs, and extend the lease of those that do not end: one UPDATE for all that have the same columns.

    What happened to each goes into its history, its end as the last.
    """
    moment, happened = now(session), []
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for change in changes:
        told = _events_of(change, locked[change.job_id], moment)
        happened += told
        final = ended_columns(session, change.ending.status) if change.ending else {}
        values = change.values | final | {"event_count": locked[change.job_id].event_count + len(told)}
        alike[tuple(values)].append(
            {"job_id": change.job_id} | {f"new_{name}": value for name, value in values.items()}
        )
    for names, rows in alike.items():
        _update(session, names, rows, lease_seconds)
    tell(session, happened)
    ended = {change.job_id: change.ending.status for change in changes if change.ending}
    if ended and any(job.is_heard for job in locked.values()):
        tell_webhooks(session, ended)


def change_held_job(
    session: Session,
    change: JobChange,
    is_held: ColumnElement[bool],
    lease: Mapping[str, Any],
    lease_seconds: float,
) -> LeasedJob | None:
    """The same of one job, if it is still held by a lease, which has these parameters: one statement asks and changes.

    What the job is now; None where it is not held.
    """
    moment, ending = now(session), change.ending
    final = ended_columns(session, ending.status) if ending else {}
    told = len(change.findings) + (ending is not None)
    values = {f"new_{name}": value for name, value in {**change.values, **final, "event_count": told}.items()}
    names = tuple(name.removeprefix("new_") for name in values)
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    given = _extended(names, lease_seconds, is_sqlite=is_sqlite) | values | dict(lease)
    row = session.connection().execute(_update_held(names, is_held, is_sqlite=is_sqlite), given).one_or_none()
    if row is None:
        return None
    changed = LeasedJob(*row)
    tell(session, _events_of(change, changed._replace(event_count=changed.event_count - told), moment))
    if ending and changed.is_heard:
        tell_webhooks(session, {change.job_id: ending.status})
    return changed


def _update(session: Session, names: Sequence[str], rows: list[dict[str, Any]], lease_seconds: float) -> None:
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    extended = _extended(names, lease_seconds, is_sqlite=is_sqlite)
    rows = [extended | row for row in rows]
    session.connection().execute(_update_of(tuple(names), is_sqlite=is_sqlite), rows)


def _extended(names: Sequence[str], lease_seconds: float, *, is_sqlite: bool) -> dict[str, Any]:
    """Parameters that extend a lease, unless the columns that are written say how long it lasts."""
    if "lease_until" in names:
        return {}
    span = timedelta(seconds=lease_seconds)
    return {"new_until": datetime.now(UTC) + span} if is_sqlite else {"new_span": span}


@lru_cache(_MOST_UPDATES)
def _update_of(names: tuple[str, ...], *, is_sqlite: bool) -> Update:
    """Built once for all that change the same columns: to build it takes longer than SQLite takes to run it."""
    return update(_JOBS).where(_JOBS.c.id == bindparam("job_id")).values(_changed(names, is_sqlite=is_sqlite))


@lru_cache(_MOST_UPDATES)
def _update_held(
    names: tuple[str, ...], is_held: ColumnElement[bool], *, is_sqlite: bool
) -> ReturningUpdate[tuple[Any, ...]]:
    """Its events are counted by it."""
    counted_too = {"event_count": _JOBS.c.event_count + bindparam("new_event_count")}
    values = _changed(names, is_sqlite=is_sqlite) | counted_too
    columns = [_JOBS.c[name] for name in LeasedJob._fields if name != "is_heard"]
    return update(_JOBS).where(is_held).values(values).returning(*columns, IS_HEARD.label("is_heard"))


def _changed(names: tuple[str, ...], *, is_sqlite: bool) -> dict[str, Any]:
    until = bindparam("new_until") if is_sqlite else func.clock_timestamp() + bindparam("new_span", type_=Interval)
    return _RECORDED | {"lease_until": until} | {name: bindparam(f"new_{name}") for name in names}


def tell(session: Session, happened: Sequence[dict[str, Any]]) -> None:
    """Add events, by column."""
    if happened:
        session.connection().execute(_INSERT, happened)


def _events_of(change: JobChange, job: LeasedJob, moment: datetime) -> list[dict[str, Any]]:
    epochs_done = change.values.get("epochs_done", job.epochs_done)
    common = {"job_id": change.job_id, "at": moment, "epochs_done": epochs_done, "status": None, "code": None}
    told: list[dict[str, Any]] = [
        {"kind": "warning", "level": finding.level, "code": finding.code, "detail": finding.detail}
        for finding in change.findings
    ]
    if change.ending:
        level = "error" if change.ending.status == "failed" else "info"
        told.append({"kind": "status", "level": level, "status": change.ending.status, "detail": change.ending.detail})
    return [common | {"seq": seq} | event for seq, event in enumerate(told, job.event_count + 1)]


def add_first(session: Session, warnings: Mapping[UUID, Sequence[str]], moment: datetime) -> None:
    """That new jobs are queued, and what is peculiar of each. Their rows are to count these events already."""
    rows = [row for job_id, details in warnings.items() for row in first_events(job_id, details, moment)]
    session.connection().execute(_INSERT, rows)


def first_events(job_id: UUID, warnings: Sequence[str], moment: datetime) -> list[dict[str, Any]]:
    """Of a new job, by column."""
    common = {"job_id": job_id, "at": moment, "epochs_done": 0, "code": None}
    told = (_QUEUED, *({"detail": detail, **_WARNING} for detail in warnings))
    return [common | {"seq": seq} | event for seq, event in enumerate(told, 1)]


def add_status(session: Session, job_id: UUID, status: str, detail: str | None = None) -> None:
    level = "error" if status == "failed" else "info"
    _add(session, job_id, kind="status", level=level, status=status, detail=detail)


def add_statuses(
    session: Session, job_ids: Sequence[UUID], status: str, detail: str | None = None, at: datetime | None = None
) -> None:
    """The same status for many jobs, since now or another moment."""
    level = "error" if status == "failed" else "info"
    shared = {"kind": "status", "level": level, "status": status} | ({"at": at} if at else {})
    _add_many(session, dict.fromkeys(job_ids, detail), shared)


def add_pauses(session: Session, epochs_done: Mapping[UUID, int]) -> None:
    """That jobs are paused from now on."""
    details = {job_id: f"Paused after {counted(done, 'epoch')}" for job_id, done in epochs_done.items()}
    _add_many(session, details, {"kind": "status", "level": "info", "status": "paused"})


def events_after(
    session: Session,
    job_id: UUID,
    seq: int,
    limit: int,
    *,
    kinds: Collection[str] | None = None,
    since: datetime | None = None,
) -> list[Event]:
    """At most `limit` events that follow the given one, ascending: of all kinds, or of these, not before a time."""
    query = select(Event).where(Event.job_id == job_id, Event.seq > seq)
    if kinds is not None:
        query = query.where(Event.kind.in_(kinds))
    if since is not None:
        query = query.where(Event.at >= since)
    return list(session.scalars(query.order_by(Event.seq).limit(limit)))


def events_of(session: Session, job: Job) -> Sequence[Event]:
    """All that had happened to a job when its row was read, ascending: outside a transaction more may have since."""
    return session.scalars(_OF_JOB, {"job_id": job.id, "last": job.event_count}).all()


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
    rows_told = session.execute(
        update(Job)
        .where(condition)
        .values(event_count=Job.event_count + 1)
        .returning(Job.id, Job.event_count, Job.epochs_done, IS_HEARD.label("is_heard"))
    ).all()
    common: dict[str, Any] = {"at": now(session), "status": None, "code": None} | shared
    rows = [
        common | {"job_id": row.id, "seq": row.event_count, "epochs_done": row.epochs_done, "detail": details[row.id]}
        for row in rows_told
    ]
    if rows:
        session.connection().execute(_INSERT, rows)
    if rows and rows_told[0].is_heard and (status := common["status"]):
        tell_webhooks(session, dict.fromkeys((row.id for row in rows_told), status))
