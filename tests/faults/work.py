"""The jobs that faults are injected into, and the look at what they left in SQL."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from service.store.database import Database
from service.store.jobs import jobs
from service.store.tables import Epoch, Event, Job, Step

Json = dict[str, Any]
Rows = list[tuple[Any, ...]]

_ROWS = 100


def long() -> Json:
    """Some seconds of work. Every bit of it hangs on Adam's state, the schedule and the order of the batches."""
    return {
        "dataset": _dataset(_ROWS),
        "hyperparameters": {
            "epochs": 160,
            "engine": "eager",
            "shuffle": True,
            "seed": 7,
            "optimizer": {"name": "adam"},
            "schedule": {"name": "exponential", "gamma": 0.999},
            "record": {"steps": "none"},
        },
        "predict": [[0.25, 0.75]],
    }


def detailed() -> Json:
    """Every step is recorded; beside the optimizer and the order of the batches there is early stopping to resume."""
    return {
        "dataset": _dataset(40),
        "hyperparameters": {
            "epochs": 400,
            "engine": "eager",
            "batch_size": 4,
            "shuffle": True,
            "seed": 11,
            "learning_rate": 0.001,
            "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True},
            "validation_fraction": 0.1,
            "early_stopping": {"patience": 1000},
            "record": {"steps": "all"},
        },
        "predict": [[0.5, 0.5]],
    }


def lasting() -> Json:
    """Some ten seconds, in thousands of epochs: what happens to it several times finds it at work each time."""
    return {
        "dataset": _dataset(40),
        "hyperparameters": {
            "epochs": 9_000,
            "batch_size": 4,
            "shuffle": True,
            "seed": 13,
            "engine": "eager",
            "optimizer": {"name": "adam"},
            "record": {"steps": "none"},
        },
        "predict": [[0.5, 0.5]],
    }


def of_engine(engine: str) -> Json:
    """A second or two of many epochs, each of which costs an engine little."""
    return {
        "dataset": _dataset(_ROWS),
        "hyperparameters": {"engine": engine} | _BY_ENGINE[engine],
        "predict": [[0.25, 0.75]],
    }


_BY_ENGINE: dict[str, Json] = {
    "reduced": {
        "epochs": 5_000_000,
        "batch_size": "full",
        "optimizer": {"name": "adam"},
        "schedule": {"name": "exponential", "gamma": 0.999999},
        "record": {"steps": "none", "every": 1_000},
    },
    "composed": {
        "epochs": 6_000_000,
        "schedule": {"name": "step", "step_size": 1_000_000},
        "validation_fraction": 0.1,
        "record": {"steps": "none", "every": 1_000},
    },
    "compiled": {
        "epochs": 30_000,
        "shuffle": True,
        "seed": 5,
        "optimizer": {"name": "sgd", "momentum": 0.9},
        "record": {"steps": "none", "every": 10},
    },
}
ENGINES = tuple(_BY_ENGINE)


def small() -> Json:
    """Some tens of milliseconds, for crowds of jobs."""
    return {
        "dataset": _dataset(20),
        "hyperparameters": {
            "epochs": 20,
            "batch_size": 2,
            "shuffle": True,
            "optimizer": {"name": "adam"},
            "record": {"steps": "all"},
        },
    }


def sweep() -> Json:
    """Three small groups of two."""
    shared = small()["hyperparameters"] | {"epochs": 100}
    return small() | {"hyperparameters": shared, "grid": {"batch_size": [1, 2, 4], "learning_rate": [0.01, 0.02]}}


def large() -> Json:
    """Its data alone takes more than a process has lying about."""
    return {
        "dataset": _dataset(400_000),
        "hyperparameters": {"engine": "eager", "epochs": 2, "batch_size": "full", "record": {"steps": "none"}},
    }


@dataclass(frozen=True)
class Remains:
    """All that a run determines of what stands in SQL. Floats are compared by their bits, as `repr` shows them all."""

    job: tuple[Any, ...]
    epochs: Rows
    steps: Rows

    @classmethod
    def of(cls, database: Database, job_id: UUID) -> "Remains":
        with database.reading() as session:
            return cls(
                job=tuple(session.execute(select(*_JOB).where(Job.id == job_id)).one()),
                epochs=_rows(session.execute(_every(Epoch, job_id).order_by(Epoch.epoch))),
                steps=_rows(session.execute(_every(Step, job_id).order_by(Step.epoch, Step.step))),
            )

    def upto(self, epochs: int) -> "Remains":
        """What stands there when so many epochs are done."""
        return Remains(
            self.job,
            [row for row in self.epochs if row[0] < epochs],
            [row for row in self.steps if row[0] < epochs],
        )


@dataclass(frozen=True)
class Damage:
    """How many rows a job lacks or has wrong, and how many it has twice."""

    lost: int = 0
    duplicated: int = 0

    def __add__(self, other: "Damage") -> "Damage":
        return Damage(self.lost + other.lost, self.duplicated + other.duplicated)


def damage(database: Database, job_id: UUID, expected: Remains) -> Damage:
    """Compare a job that has succeeded with an uninterrupted run. A job that has not is lost as a whole."""
    found = Remains.of(database, job_id)
    told = _statuses(database, job_id)
    lost = int(told[-1:] != ["succeeded"]) + int(repr(found.job) != repr(expected.job))
    return Damage(lost, max(0, told.count("succeeded") - 1)) + rows_damage(found, expected)


def rows_damage(found: Remains, expected: Remains) -> Damage:
    return _compare(found.epochs, expected.epochs, 1) + _compare(found.steps, expected.steps, 2)


def events_damage(database: Database, job_id: UUID) -> Damage:
    """Events count from 1 without a gap, and so does what the job's row says of them."""
    with database.reading() as session:
        found = list(session.scalars(select(Event.seq).where(Event.job_id == job_id).order_by(Event.seq)))
        counted = session.scalar(select(Job.event_count).where(Job.id == job_id))
    return Damage(lost=int(found != list(range(1, (counted or 0) + 1))))


def jobs_with_key(database: Database, key: str) -> list[UUID]:
    with database.reading() as session:
        return list(session.scalars(select(Job.id).where(Job.idempotency_key == key)))


def recorded(database: Database, job_id: UUID) -> int:
    """How many epochs of a job stand in SQL."""
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Epoch).where(Epoch.job_id == job_id)) or 0


def row(database: Database, job_id: UUID) -> Job:
    with database.reading() as session:
        job = jobs.find_job(session, job_id, with_events=True)
    assert job
    return job


def _statuses(database: Database, job_id: UUID) -> list[str]:
    with database.reading() as session:
        told = select(Event.status).where(Event.job_id == job_id, Event.kind == "status").order_by(Event.seq)
        return [status for status in session.scalars(told) if status]


def _compare(found: Rows, expected: Rows, key: int) -> Damage:
    """The first `key` columns of a row tell which it is."""
    there = {row[:key]: repr(row) for row in found}
    lost = sum(there.get(row[:key]) != repr(row) for row in expected)
    return Damage(lost, duplicated=len(found) - len(there) + len(there.keys() - {row[:key] for row in expected}))


def _rows(answer: Any) -> Rows:
    return [tuple(row) for row in answer]


def _every(table: Any, job_id: UUID) -> Any:
    """Of every row all columns but the id of the job and the time that it took."""
    columns = [column for column in table.__table__.columns if column.name not in ("job_id", "seconds")]
    return select(*columns).where(table.job_id == job_id)


def _dataset(rows: int) -> Json:
    return {
        "x": [[number / rows, (number * 37 % rows) / rows] for number in range(rows)],
        "y": [number / rows - (number * 53 % rows) / rows for number in range(rows)],
    }


_JOB = (
    Job.status,
    Job.epochs_done,
    Job.loss_first,
    Job.loss_last,
    Job.loss_best,
    Job.loss_validation,
    Job.weights,
    Job.bias,
    Job.predictions_before,
    Job.predictions_after,
    Job.analysis,
)
