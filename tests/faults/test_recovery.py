"""Faults to be had in one process: lost answers, a full disk, exhausted memory, a frozen writer, a wrong clock."""

import dataclasses
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from time import sleep
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import torch
from fastapi.testclient import TestClient
from integration.workbench import (
    FakeQueue,
    abandoned,
    change,
    claim,
    claimed,
    expired,
    read,
    request,
    rows_of_every_table,
    storage,
    submit,
)
from sqlalchemy import event, update
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.orm import Session

from faults import work
from service.api.app import create_app
from service.errors import DatabaseError as Refused
from service.settings import Settings
from service.store import database as store
from service.store.database import Database
from service.store.leases import lost_leases
from service.store.leases.leases import JobLease
from service.store.tables import Job
from service.upkeep import lost_jobs
from worker.attempt import run_attempt
from worker.jobs import attempt, flush
from worker.process import Process


def train(process: Process, job_id: UUID) -> JobLease:
    mine = claim(process.database, job_id, worker_id=process.worker_id)
    assert mine
    run_attempt(process, mine)
    return mine


@contextmanager
def losing_answers(database: Database, *numbers: int) -> Iterator[list[int]]:
    """The database makes these writers' commits, counted from 1, and the connection breaks before it can say so."""
    made: list[int] = []

    def lose(session: Session) -> None:
        if session.bind is not database.writer:
            return
        made.append(len(made) + 1)
        if made[-1] in numbers:
            raise OperationalError("COMMIT", {}, Exception("the answer was lost"))

    event.listen(Session, "after_commit", lose)
    yield made
    event.remove(Session, "after_commit", lose)


def test_commits_whose_answers_are_lost_leave_the_records_of_an_undisturbed_run(
    process: Process,
) -> None:
    undisturbed = submit(process.database, work.detailed())
    train(process, undisturbed)
    disturbed = submit(process.database, work.detailed())
    mine = claim(process.database, disturbed, worker_id=process.worker_id)
    assert mine

    often = dataclasses.replace(process, settings=process.settings.model_copy(update={"flush_epochs": 40}))
    with losing_answers(process.database, *range(1, 1000, 2)) as commits:
        run_attempt(often, mine)

    assert len(commits) > 10
    expected = work.Remains.of(process.database, undisturbed)
    assert work.damage(process.database, disturbed, expected) == work.Damage()
    assert work.events_damage(process.database, disturbed) == work.Damage()


def test_a_job_whose_return_to_the_queue_was_not_answered_is_there_once(process: Process) -> None:
    job_id = submit(process.database, work.long())
    mine = claim(process.database, job_id, worker_id=process.worker_id)
    assert mine
    process.stopping.set()

    with losing_answers(process.database, 1):
        run_attempt(process, mine)

    job = read(process.database, job_id)
    assert [each.status for each in job.events if each.status] == ["queued", "running", "queued"]
    assert job.crashes == 0


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        Refused(DatabaseError("SELECT", {}, Exception("out of memory for query result"))),
    ],
)
def test_memory_that_is_exhausted_fails_the_job_by_its_name(
    process: Process, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def exhausted(*_: object) -> None:
        raise error

    monkeypatch.setattr(attempt, "prepare", exhausted)
    job_id = submit(process.database)

    train(process, job_id)

    job = read(process.database, job_id)
    assert (job.status, job.error_code, job.crashes) == ("failed", "out_of_memory", 0)


def test_torch_that_gets_no_memory_on_the_cpu_fails_the_job_by_its_name(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "prepare", lambda *_: torch.empty(2**55))
    job_id = submit(process.database)

    train(process, job_id)

    assert read(process.database, job_id).error_code == "out_of_memory"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_worker_never_looks_at_its_own_clock_where_hosts_may_differ(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoClock:
        @staticmethod
        def now(*_: object) -> None:
            raise AssertionError("the clock of this host was read")

    job_id, lost = submit(process.database), claimed(process.database, lease_seconds=-1.0)
    monkeypatch.setattr(store, "datetime", NoClock)

    train(process, job_id)
    assert lost_jobs.release_jobs(process.database, expired(process.database), max_crashes=3) == [lost.job_id]

    assert read(process.database, job_id).status == "succeeded"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_writer_that_falls_silent_in_a_transaction_does_not_keep_its_job_from_the_others(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_SILENT", "1s")
    mine = claimed(database, lease_seconds=-1.0)
    with database.writing() as frozen:
        mine.beat(frozen, -1.0)  # it holds the lock of the job's row, and never commits

        assert lost_jobs.release_jobs(database, expired(database), max_crashes=3) == [mine.job_id]

        with pytest.raises(DBAPIError) as ended:
            frozen.commit()
        assert ended.value.connection_invalidated  # what a worker takes for a database that is away
    assert read(database, mine.job_id).status == "queued"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_writer_that_stands_still_in_the_middle_of_its_rows_does_not_keep_its_job_from_the_others(
    database: Database, database_url: str
) -> None:
    """PostgreSQL waits for the rest of a COPY as long as the connection lives: it has to be told."""
    worker_id = uuid4()
    mine = claim(database, submit(database), worker_id=worker_id, process_id=os.getpid(), lease_seconds=-1.0)
    assert mine
    worker = Database(database_url, worker_id=worker_id)
    with worker.writer.connect() as connection:
        connection.execute(update(Job).where(Job.id == mine.job_id).values(cancel_requested=False))
        frozen = connection.connection.driver_connection
        assert isinstance(frozen, psycopg.Connection)
        with pytest.raises(psycopg.OperationalError), frozen.cursor().copy("COPY epochs FROM STDIN"):
            assert lost_jobs.release_jobs(database, expired(database), max_crashes=3) == [mine.job_id]
        connection.invalidate()
    worker.dispose()
    assert read(database, mine.job_id).status == "queued"


def test_a_flush_that_takes_longer_than_the_lease_does_not_lose_the_job(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = process.settings.model_copy(update={"lease_seconds": 2.0, "beat_seconds": 0.1, "flush_epochs": 100})
    slow = dataclasses.replace(process, settings=settings)
    undisturbed, job_id = submit(process.database, work.detailed()), submit(process.database, work.detailed())
    train(process, undisturbed)
    write, reaper = flush.write_records, Database(process.database.url.render_as_string(hide_password=False))
    done, pauses = Event(), iter([0.0, 2.5])  # the first flush ends the lease of the claim, which is longer

    def write_slowly(*arguments: Any) -> None:
        write(*arguments)
        sleep(next(pauses, 0.0))

    def reap() -> list[UUID]:
        taken = []
        while not done.wait(0.05):
            taken += lost_jobs.release_jobs(reaper, expired(reaper), max_crashes=3)
        return taken

    monkeypatch.setattr(flush, "write_records", write_slowly)
    with ThreadPoolExecutor(1) as threads:
        reaping_thread = threads.submit(reap)
        train(slow, job_id)
        done.set()
        assert reaping_thread.result() == []
    reaper.dispose()
    expected = work.Remains.of(process.database, undisturbed)
    assert work.damage(process.database, job_id, expected) == work.Damage()
    assert read(process.database, job_id).attempt == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_attempt_that_is_overtaken_in_the_middle_of_a_flush_leaves_the_other_s_rows_alone(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, job_id = submit(process.database, work.detailed()), submit(process.database, work.detailed())
    train(process, undisturbed)
    mine = claim(process.database, job_id, worker_id=process.worker_id)
    assert mine
    write = flush.write_records

    def overtaken(*arguments: Any) -> None:
        monkeypatch.setattr(flush, "write_records", write)
        assert change(process.database, lambda session: lost_leases.release_lost(session, abandoned(mine), 3))
        train(process, job_id)
        write(*arguments)

    monkeypatch.setattr(flush, "write_records", overtaken)
    run_attempt(process, mine)

    expected = work.Remains.of(process.database, undisturbed)
    assert work.damage(process.database, job_id, expected) == work.Damage()
    assert (read(process.database, job_id).status, read(process.database, job_id).attempt) == ("succeeded", 2)


def test_a_broker_that_refuses_one_bell_is_not_asked_for_all_the_others(database: Database, queue: FakeQueue) -> None:
    for _ in range(5):
        submit(database)
    change(database, lambda session: session.execute(update(Job).values(rung_at=None)))
    queue.is_up = False

    assert lost_jobs.ring_again(database, queue) == []
    assert len(queue.rung) == 1


@pytest.mark.parametrize("room", [1, 5, 20, 60])
def test_a_full_disk_fails_the_job_or_leaves_it_to_be_resumed_and_corrupts_nothing(sqlite_url: str, room: int) -> None:
    database, settings = Database(sqlite_url), Settings(database_url=sqlite_url)
    undisturbed, job_id = submit(database, work.detailed()), submit(database, work.detailed())
    roomy = _process(settings, database)
    train(roomy, undisturbed)
    expected = work.Remains.of(database, undisturbed)
    mine = claim(database, job_id)
    assert mine

    narrow = Database(sqlite_url)
    _limit(narrow, _pages(sqlite_url) + room)
    run_attempt(_process(settings.model_copy(update={"flush_epochs": 10}), narrow), mine)
    narrow.dispose()

    job = read(database, job_id)
    assert (job.status, job.error_code) in {("failed", "storage_full"), ("running", None)}
    assert job.epochs_done < job.epochs
    assert work.rows_damage(work.Remains.of(database, job_id), expected.upto(job.epochs_done)) == work.Damage()
    assert _quick_check(sqlite_url) == "ok"
    if job.status == "running":
        _expire(database, mine)
        assert lost_jobs.release_jobs(database, expired(database), max_crashes=3) == [job_id]
        train(roomy, job_id)
        assert work.damage(database, job_id, expected) == work.Damage()
    database.dispose()


def test_a_post_that_finds_no_room_is_a_problem_and_leaves_nothing_behind(sqlite_url: str, queue: FakeQueue) -> None:
    roomy, settings = Database(sqlite_url), Settings(database_url=sqlite_url)
    before, objects = rows_of_every_table(roomy), list(storage().everything())
    app = create_app(settings, queue)
    _limit(app.state.database, _pages(sqlite_url))
    wanted = request() | {"predict": [float(n) for n in range(5000)]}

    with TestClient(app) as client:
        answer = client.post("/v1/jobs", json=wanted)
        assert answer.status_code in (503, 507), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert rows_of_every_table(roomy) == before
        assert list(storage().everything()) == objects
        assert queue.rung == []
        assert client.get("/v1/jobs").status_code == 200
    assert _quick_check(sqlite_url) == "ok"

    with TestClient(create_app(settings, queue)) as client:
        assert client.post("/v1/jobs", json=wanted).status_code == 202
    roomy.dispose()


def _process(settings: Settings, database: Database) -> Process:
    from uuid_utils.compat import uuid7

    from worker.devices import Device

    return Process(settings, database, [Device("cpu", "the test's")], uuid7(), FakeQueue())


def _limit(database: Database, pages: int) -> None:
    """Let the file of the database not grow beyond so many pages: the same error as on a full disk."""

    @event.listens_for(database.writer, "connect")
    def limit(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")


def _pages(url: str) -> int:
    return int(_pragma(url, "page_count"))


def _quick_check(url: str) -> str:
    return str(_pragma(url, "quick_check"))


def _pragma(url: str, name: str) -> Any:
    """Asked through the same library that writes the file: two of them in one process would undo each other's locks."""
    database = Database(url)
    with database.reader.connect() as connection:
        answer = connection.exec_driver_sql(f"PRAGMA {name}").scalar()
    database.dispose()
    return answer


def _expire(database: Database, mine: JobLease) -> None:
    change(database, lambda session: mine.beat(session, -1.0))
