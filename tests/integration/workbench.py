"""What many tests do with jobs, said once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from threading import Barrier
from typing import Any, TypeVar
from uuid import UUID, uuid4

from alembic import command
from httpx2 import Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.jobs import jobs as use_cases
from service.jobs import sweeps
from service.settings import Settings
from service.storage import Storage, storage_at
from service.store import events, schema
from service.store.database import Database
from service.store.events import Ending, JobChange
from service.store.jobs import jobs
from service.store.jobs.lists import Filters, select_jobs
from service.store.leases.claims import claim_groups, claim_job
from service.store.leases.groups import GroupLease
from service.store.leases.leases import Claimant, JobLease
from service.store.leases.lost_leases import RunningJob, expired_jobs
from service.store.tables import Event, Job, Table
from slope.spec import JobRequest, SweepRequest

Answer = TypeVar("Answer")
Migrated = Callable[[str], AbstractContextManager[str]]
"""What the fixture `migrated` gives."""

LECTURE: dict[str, Any] = {
    "name": "lecture",
    "dataset": {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]},
    "hyperparameters": {
        "epochs": 10,
        "learning_rate": 0.01,
        "batch_size": 1,
        "fit_bias": False,
        "initial_weights": [1.0],
    },
    "predict": [4.0],
    "metadata": {"course": "autograd"},
}
MANY_ROWS: dict[str, Any] = {
    "dataset": {"x": [n / 501 for n in range(501)], "y": [2.0 * n / 501 for n in range(501)]},
    "hyperparameters": {"batch_size": "full", "epochs": 5},
}
"""Of too many numbers for a row: they are an object of the storage."""


class FakeQueue:
    """Remembers who was rung for; can be told to be down, and to do something at each ring."""

    def __init__(self) -> None:
        self.rung: list[tuple[UUID, str]] = []
        self.is_up = True
        self.at_ring: Callable[[UUID], Any] = lambda job_id: None

    def ring(self, job_id: UUID, device: str) -> bool:
        self.at_ring(job_id)
        self.rung.append((job_id, device))
        return self.is_up

    def ring_slots(self, job_ids: Sequence[UUID], device: str, slots: int) -> bool:
        """Nobody hears these bells, and none is spared."""
        return all(self.ring(job_id, device) for job_id in job_ids[:slots])

    def is_reachable(self) -> bool:
        return self.is_up

    def waiting(self, device: str) -> int:
        """Bells that were rung and that nobody heard."""
        return sum(wanted == device for _, wanted in self.rung) if self.is_up else 0


def request(**hyperparameters: Any) -> dict[str, Any]:
    """A small job: four rows on a line, full batch, with these hyperparameters."""
    return {
        "dataset": {"x": [1.0, 2.0, 3.0, 4.0], "y": [3.0, 5.0, 7.0, 9.5]},
        "hyperparameters": {"batch_size": "full", "epochs": 5, "learning_rate": 0.01} | hyperparameters,
    }


def submit(database: Database, wanted: dict[str, Any] | None = None) -> UUID:
    parsed = JobRequest.model_validate(request() if wanted is None else wanted)
    return use_cases.submit_job(database, storage(), FakeQueue(), parsed, settings=Settings()).job_id


def storage() -> Storage:
    """The one storage of all tests: objects have names of their own."""
    return storage_at(Settings().storage)


def claim(
    database: Database,
    job_id: UUID,
    *,
    devices: Sequence[str] = ("auto", "cpu"),
    worker_id: UUID | None = None,
    process_id: int = 4711,
    lease_seconds: float = 60.0,
) -> JobLease | None:
    claimant = Claimant(worker_id or uuid4(), process_id, devices, lease_seconds)
    with database.writing() as session:
        mine = claim_job(session, job_id, claimant)
        session.commit()
    return mine


def abandoned(mine: JobLease) -> RunningJob:
    """The job of a process that was seen to be dead."""
    return RunningJob(mine, uuid4(), process_id=4711, has_expired=False)


def claimed(database: Database, wanted: dict[str, Any] | None = None, *, lease_seconds: float = 60.0) -> JobLease:
    """A new job that somebody runs."""
    mine = claim(database, submit(database, wanted), lease_seconds=lease_seconds)
    assert mine
    return mine


def expired(database: Database) -> list[RunningJob]:
    """Running jobs whose lease has run out."""
    with database.reading() as session:
        return expired_jobs(session)


def change(database: Database, action: Callable[[Session], Any]) -> Any:
    """What an action gave that was done in a transaction of its own."""
    with database.writing() as session:
        answer = action(session)
        session.commit()
    return answer


def pass_an_hour(session: Session) -> None:
    """Of jobs that have begun, and of all history."""
    for job in session.scalars(select(Job).where(Job.started_at.is_not(None))):
        job.started_at = job.started_at and job.started_at - timedelta(hours=1)
    for told in session.scalars(select(Event)):
        told.at -= timedelta(hours=1)


def end_job(session: Session, mine: JobLease, status: str, **values: Any) -> None:
    """End a job, as its attempt does."""
    mine.change(session, [JobChange(mine.job_id, values, ending=Ending(status, None))], 0.0)


def add_warning(
    session: Session, job_id: UUID, detail: str, *, level: str = "warning", code: str | None = None
) -> None:
    """Tell what is peculiar of a job, whoever has its lease."""
    events._add(session, job_id, kind="warning", level=level, code=code, detail=detail)


def check_schema(database: Database) -> None:
    """Raise alembic.util.AutogenerateDiffsDetected when the tables differ from what SQLAlchemy maps."""
    with database.writer.begin() as connection:
        command.check(schema.config(connection))


def read(database: Database, job_id: UUID) -> Job:
    with database.reading() as session:
        job = jobs.find_job(session, job_id, with_events=True)
    assert job
    return job


def columns(database: Database, job_id: UUID) -> dict[str, Any]:
    """Every column of a job's row, the deferred ones too."""
    table = Job.__table__
    with database.reading() as session:
        return dict(session.execute(select(table).where(table.c.id == job_id)).mappings().one())


def rows_of_every_table(database: Database) -> dict[str, int]:
    with database.reading() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in Table.metadata.sorted_tables
        }


def at_once(count: int, action: Callable[[int], Answer]) -> list[Answer]:
    """What each of `count` threads got from the action, all of which began it together."""
    barrier = Barrier(count)

    def act(number: int) -> Answer:
        barrier.wait()
        return action(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(act, range(count)))


def problem_of(response: Response, status: int) -> dict[str, Any]:
    """The problem details (RFC 9457) that a response consists of."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem.keys() - {"errors"} == {"type", "title", "status", "detail"}
    assert problem["status"] == status
    assert problem["type"].startswith("/problems/")
    assert problem["title"]
    assert problem["detail"]
    for error in problem.get("errors", []):
        assert error.keys() == {"detail", "pointer"}
    return problem


def submit_sweep(database: Database, wanted: dict[str, Any], *, queue: FakeQueue | None = None) -> UUID:
    parsed = SweepRequest.model_validate(wanted)
    queue = queue or FakeQueue()
    return sweeps.submit_sweep(database, storage(), queue, parsed, settings=Settings()).sweep_id


def jobs_of(database: Database, sweep_id: UUID) -> list[Job]:
    """The jobs of a sweep in the order of its settings."""
    with database.reading() as session:
        found = select_jobs(session, Filters(sweep_id=sweep_id), limit=20_000)
    return found[::-1]


def claim_group_of(
    database: Database, job_id: UUID, *, worker_id: UUID | None = None, lease_seconds: float = 60.0
) -> GroupLease | None:
    claimant = Claimant(worker_id or uuid4(), 4711, ["auto", "cpu"], lease_seconds)
    with database.writing() as session:
        job = jobs.find_job(session, job_id)
        assert job
        assert job.group_id
        mine = claim_groups(session, [job.group_id], claimant)
        session.commit()
    assert mine is None or isinstance(mine, GroupLease)
    return mine
