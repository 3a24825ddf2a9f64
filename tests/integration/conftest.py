"""The service and a worker in this process, on real databases; the broker is a fake one that remembers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from threading import Event
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
import structlog
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import delete
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7
from workbench import FakeQueue, Migrated, claim, claim_group_of, jobs_of, submit

from service.api.app import create_app
from service.jobs import drafts
from service.settings import Settings, get_settings
from service.store.database import Database
from service.store.leases.leases import AttemptLease
from service.store.tables import Table
from worker.attempt import run_attempt
from worker.devices import Device
from worker.jobs import flush
from worker.process import Process, current_process

structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
torch.set_num_threads(1)  # as the worker has it: with more of them torch may add in another order


@pytest.fixture(scope="session", autouse=True)
def _flushes_are_waited_for() -> Iterator[None]:
    """However busy it is: else it decides what is flushed when. attempts/test_writer.py has them in threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "_SLOW", inf)
        yield


@pytest.fixture(scope="session")
def _sqlite_database(migrated: Migrated) -> Iterator[Database]:
    with _database(migrated, "sqlite") as database:
        yield database


@pytest.fixture(scope="session")
def _postgresql_database(migrated: Migrated, _postgresql_template: str) -> Iterator[Database]:
    with _database(migrated, "postgresql") as database:
        yield database


@contextmanager
def _database(migrated: Migrated, kind: str) -> Iterator[Database]:
    with migrated(kind) as url:
        database = Database(url)
        yield database
        database.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty, migrated database, once of each kind. It is kept: an engine compiles each of its statements anew."""
    database: Database = request.getfixturevalue(f"_{request.param}_database")
    drafts._known.pop(database, None)  # what the jobs of other tests took
    yield database
    with database.writer.begin() as connection:
        for table in reversed(Table.metadata.sorted_tables):
            connection.execute(delete(table))


@pytest.fixture
def database_url(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def own_database(request: pytest.FixtureRequest, migrated: Migrated) -> Iterator[Database]:
    """A migrated database that a test may spoil, once of each kind."""
    with _database(migrated, request.param) as database:
        yield database


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue()


@pytest.fixture
def app(settings: Settings, queue: FakeQueue, database: Database, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setattr("service.api.app.Database", lambda _url, fails_fast: database)
    return create_app(settings, queue)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """Talks to the application in this process; an exception that none of its handlers expects is raised here."""
    with TestClient(app) as client:
        yield client


@pytest.fixture
def process(settings: Settings, database: Database, queue: FakeQueue) -> Process:
    """What a worker's process would hold."""
    return Process(settings, database, [Device("cpu", "the test's")], uuid7(), queue)


@pytest.fixture
def wait_for_heartbeat(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Waits until the heartbeat of an attempt has taken note of what SQL says now, however fast the training is."""
    beaten, beat = Event(), AttemptLease.beat

    def note(lease: AttemptLease, session: Session, lease_seconds: float) -> set[UUID]:
        found = beat(lease, session, lease_seconds)
        beaten.set()
        return found

    def wait() -> None:
        for _ in range(3):  # one may be under way; what the next finds has been taken note of when a third is there
            beaten.clear()
            assert beaten.wait(60)

    monkeypatch.setattr(AttemptLease, "beat", note)
    return wait


@pytest.fixture
def train(process: Process) -> Callable[[UUID | str], None]:
    """Does what a worker does when the bell rings for a job."""

    def train(job_id: UUID | str) -> None:
        mine = claim(process.database, UUID(str(job_id)), worker_id=process.worker_id)
        assert mine
        run_attempt(process, mine)

    return train


@pytest.fixture
def trained(database: Database, train: Callable[[UUID], None]) -> Callable[[dict[str, Any]], UUID]:
    """Submits a request, trains it to its end, and gives the job's id."""

    def trained(request: dict[str, Any]) -> UUID:
        job_id = submit(database, request)
        train(job_id)
        return job_id

    return trained


@pytest.fixture
def train_groups(database: Database, process: Process) -> Callable[[str], None]:
    """Trains the groups of a sweep, and the jobs that train alone."""

    def train_groups(sweep_id: str) -> None:
        for job in jobs_of(database, UUID(sweep_id)):
            if job.place:
                continue
            take = claim if job.place is None else claim_group_of
            mine = take(database, job.id, worker_id=process.worker_id)
            assert mine
            run_attempt(process, mine)

    return train_groups


@pytest.fixture
def train_sweep(client: TestClient, train_groups: Callable[[str], None]) -> Callable[[dict[str, Any]], str]:
    """Submits a sweep, trains it, and gives its id."""

    def train_sweep(wanted: dict[str, Any]) -> str:
        sweep_id: str = client.post("/v1/sweeps", json=wanted).json()["id"]
        train_groups(sweep_id)
        return sweep_id

    return train_sweep


@pytest.fixture
def tasks(process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as a worker loads it, with this test's process for its own."""
    monkeypatch.setenv("SLOPE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SLOPE_WORKER_ID", str(process.worker_id))
    for cached in (get_settings, current_process):
        cached.cache_clear()
    import worker.app
    import worker.tasks

    for cached in (get_settings, current_process):
        cached.cache_clear()
    monkeypatch.setattr(worker.tasks, "current_process", lambda: process)
    return worker.tasks
