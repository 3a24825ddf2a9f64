"""Jobs. Every guard is in the WHERE of the statement that changes the row; whoever changes no row has lost."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Connection, Integer, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session, load_only
from sqlalchemy.orm.attributes import set_committed_value

from service.store import datasets, events
from service.store.database import now
from service.store.jobs.aliases import has_alias
from service.store.outbox import IS_HEARD, tell_webhooks_of_sweep
from service.store.owners import usage
from service.store.tables import Dataset, Event, Job
from slope.engines.costs import Ended
from slope.engines.plan import PlanDamaged, kept_plan
from slope.statuses import FINAL

_LATEST_ENDED = 300

log = structlog.get_logger()


class Standing(NamedTuple):
    """What whoever waits for a job needs to know of it."""

    version: int
    is_final: bool


class Outline(NamedTuple):
    """What whoever reads a job's records needs to know of the job."""

    version: int
    status: str
    features: int
    """Their number."""

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


class Progress(NamedTuple):
    """How far a job is, named as its columns are."""

    status: str
    epochs: int
    epochs_done: int
    seconds: float
    partitions_done: int | None
    loss_last: float | None


class Predictions(NamedTuple):
    """The points that a job asked for, and what its worker recorded of them."""

    points: list[Any]
    before: list[float] | None
    after: list[float] | None


def find_job(session: Session, job_id: UUID, *, with_events: bool = False, with_numbers: bool = False) -> Job | None:
    """`with_numbers`: those of its dataset, where they are in its row.

    Events are read by another statement, and a job has one from the beginning: without any, it was deleted in between.
    """
    query = _JOB_WITH_NUMBERS if with_numbers else _JOB
    job = session.scalars(query, {"job_id": job_id}).one_or_none()
    if job and with_events:
        told = events.events_of(session, job)
        if job.event_count and not told:
            return None
        set_committed_value(job, "events", told)
    return job


def find_job_for_replay(session: Session, job_id: UUID) -> Job | None:
    """A job with the columns that its steps are computed again from; reading another column is an error."""
    return session.get(Job, job_id, options=[_FOR_REPLAY, datasets.with_numbers])


def find_outline(session: Session, job_id: UUID) -> Outline | None:
    row = session.execute(_OUTLINE, {"job_id": job_id}).one_or_none()
    return None if row is None else Outline._make(row)


def find_progress(session: Session, job_id: UUID) -> Progress | None:
    row = session.execute(_PROGRESS, {"job_id": job_id}).one_or_none()
    return None if row is None else Progress._make(row)


def find_predictions(session: Session, job_id: UUID) -> Predictions | None:
    row = session.execute(_PREDICTIONS, {"job_id": job_id}).one_or_none()
    return None if row is None else Predictions._make(row)


def lock_job(session: Session, job_id: UUID) -> None:
    """Let nobody change a job until the transaction ends."""
    session.execute(select(Job.id).where(Job.id == job_id).with_for_update())


def versions_of(session: Session | Connection, job_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The versions of those jobs that exist. A version grows whenever its job changes."""
    return {row.id: row.version for row in session.execute(_VERSIONS, {"job_ids": job_ids})}


def standings_of(connection: Connection, job_ids: Sequence[UUID]) -> dict[UUID, Standing]:
    """Of those jobs that exist."""
    rows = connection.execute(_STANDINGS, {"job_ids": job_ids})
    return {row.id: Standing(row.version, row.status in FINAL) for row in rows}


def add_job(session: Session, values: dict[str, Any], warnings: Sequence[str] = ()) -> None:
    """Put a new job, by column, in the queue, with its warnings."""
    add_jobs(session, [values], {values["id"]: warnings})


def add_jobs(session: Session, rows: Sequence[dict[str, Any]], warnings: Mapping[UUID, Sequence[str]]) -> None:
    """Put new jobs, by column, in the queue, with the warnings of each. They are of one moment.

    Their rows have the same columns.
    """
    session.connection().execute(_INSERT, [row | {"event_count": 1 + len(warnings[row["id"]])} for row in rows])
    events.add_first(session, warnings, rows[0]["created_at"])


def job_of_row(row: Mapping[str, Any], dataset_rows: int, warnings: Sequence[str]) -> Job:
    """A new job as the database would give it, with its dataset and its events, for one that has been written."""
    job = Job(metadata_=row["metadata"], **{name: row[name] for name in row if name != "metadata"}, **_FIRST)
    set_committed_value(job, "dataset", Dataset(id=row["dataset_id"], rows=dataset_rows))
    told = events.first_events(row["id"], warnings, row["created_at"])
    set_committed_value(job, "events", [Event(**each) for each in told])
    return job


def cancel_waiting(session: Session, job_id: UUID) -> bool:
    """End a job that nobody has claimed, or that is paused."""
    ended = session.execute(
        update(Job)
        .where(Job.id == job_id, _IS_WAITING)
        .values(status="cancelled", finished_at=now(session), checkpoint=None)
        .returning(Job.id)
    ).one_or_none()
    if ended:
        events.add_status(session, job_id, "cancelled", "Cancelled while it waited")
    return ended is not None


def ask_to_cancel(session: Session, job_id: UUID) -> bool:
    """Raise the flag that a running job's next flush reads. It takes the place of a wish to pause."""
    wished = {"cancel_requested": True, "pause_requested": False}
    asked = update(Job).where(Job.id == job_id, Job.status == "running").values(wished)
    return session.execute(asked.returning(Job.id)).one_or_none() is not None


def cancel_all(session: Session, which: ColumnElement[bool]) -> int:
    """End those of these jobs that wait or are paused, and raise the flag of those that run. How many they are."""
    lock_jobs(session, which)
    waiting = list(session.scalars(select(Job.id).where(which, _IS_WAITING)))
    ended = {"status": "cancelled", "finished_at": now(session), "checkpoint": None}
    session.execute(update(Job).where(which, _IS_WAITING).values(**ended))
    events.add_statuses(session, waiting, "cancelled", "Cancelled while it waited")
    wished = {"cancel_requested": True, "pause_requested": False}
    running = update(Job).where(which, Job.status == "running").values(wished)
    return len(waiting) + len(session.scalars(running.returning(Job.id)).all())


def lock_jobs(session: Session, which: ColumnElement[bool]) -> None:
    """Let nobody change these jobs until the transaction ends. All who lock many lock them in this order."""
    session.execute(select(Job.id).where(which).order_by(Job.id).with_for_update())


def describe(session: Session, job_id: UUID, *, name: str | None, metadata: dict[str, str]) -> None:
    """Let a job be called so."""
    session.execute(update(Job).where(Job.id == job_id).values(name=name, metadata_=metadata))


def count_by_status(session: Session) -> dict[str, int]:
    """How many jobs there are of each status."""
    rows = session.execute(select(Job.status, func.count().label("number")).group_by(Job.status))
    return {row.status: row.number for row in rows}


def remove_job(session: Session, job_id: UUID) -> UUID | None:
    """Delete a job with all its records, unless it runs or has an alias. The dataset it learnt from; None where nothing
    was deleted."""
    return next(iter(remove_jobs(session, [job_id])), None)


def remove_jobs(session: Session, job_ids: Sequence[UUID]) -> list[UUID]:
    """The same of several: the dataset of each that was deleted."""
    removal = delete(Job).where(Job.id.in_(job_ids), Job.status != "running", ~has_alias())
    told = (Job.dataset_id, Job.owner, Job.sweep_id, Job.status, IS_HEARD.label("is_heard"))
    counted = usage.counted_numbers(session).label("counted")
    gone = session.execute(removal.returning(*told, counted)).all()
    usage.take_off_recorded(session, [(row.owner, row.counted) for row in gone if row.counted])
    open_ones = (row for row in gone if row.sweep_id and row.is_heard and row.status not in FINAL)
    for sweep_id, owner in {(row.sweep_id, row.owner) for row in open_ones}:
        tell_webhooks_of_sweep(session, sweep_id, owner)
    return [row.dataset_id for row in gone]


_IS_WAITING = Job.status.in_(("queued", "paused"))
_INSERT = insert(Job.metadata.tables["jobs"])
"""Of the table, not the class: the ORM would take twice as long."""
_FIRST = {"version": 1, "attempt": 0, "epochs_done": 0, "seconds": 0.0}
"""What a new job has of its own that is not null."""
_JOB = select(Job).where(Job.id == bindparam("job_id"))
_JOB_WITH_NUMBERS = _JOB.options(datasets.with_numbers)
_VERSIONS = select(Job.id, Job.version).where(Job.id.in_(bindparam("job_ids", expanding=True)))
"""Built once: every poll asks for versions."""
_STANDINGS = _VERSIONS.add_columns(Job.status)
_FOR_REPLAY = load_only(
    Job.dataset_id,
    Job.features,
    Job.target,
    Job.row_weights,
    Job.group_width,
    Job.place,
    Job.spec,
    Job.plan,
    Job.assigned_device,
    Job.epochs_done,
    raiseload=True,
)
_OUTLINE = select(Job.version, Job.status, func.json_array_length(Job.features, type_=Integer)).where(
    Job.id == bindparam("job_id")
)
_PROGRESS = select(*(getattr(Job, name) for name in Progress._fields)).where(Job.id == bindparam("job_id"))
_PREDICTIONS = select(Job.predict, Job.predictions_before, Job.predictions_after).where(Job.id == bindparam("job_id"))


def select_durations(session: Session) -> list[Ended]:
    """What the last jobs took that have succeeded, the newest first; of jobs that trained together, one."""
    latest = select(Job.id).where(Job.status == "succeeded").order_by(Job.id.desc()).limit(_LATEST_ENDED)
    is_alone = or_(Job.place.is_(None), Job.place == 0)
    wanted = select(Job.id, Job.plan, Job.seconds).where(Job.id.in_(latest), is_alone).order_by(Job.id.desc())
    found = [_ended(*row) for row in session.execute(wanted) if row.plan]
    return [each for each in found if each]


def _ended(job_id: UUID, plan: dict[str, Any], seconds: float) -> Ended | None:
    """None where somebody has damaged the plan: new jobs are planned all the same."""
    try:
        return Ended.of(kept_plan(plan), seconds)
    except PlanDamaged:
        log.warning("the plan of a job is damaged: nothing is learnt from it", job_id=str(job_id))
        return None
