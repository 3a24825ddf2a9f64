"""The task that a bell starts: it looks in SQL for what is to be done, and a message proves nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, update
from sqlalchemy.exc import OperationalError, ProgrammingError
from structlog.testing import capture_logs
from workbench import (
    LECTURE,
    FakeQueue,
    change,
    claimed,
    jobs_of,
    read,
    request,
    rows_of_every_table,
    submit,
    submit_sweep,
)

from service.errors import DatabaseError
from service.queue import TASK
from service.store.database import Database
from service.store.leases.groups import GroupLease
from service.store.leases.leases import JobLease
from service.store.leases.partitions import cut_job
from service.store.tables import Job
from slope.answers.jobs import JobView
from worker.process import Process


def test_a_bell_trains_the_job_it_names(tasks: ModuleType, database: Database) -> None:
    job_id = submit(database, LECTURE)

    tasks.train(str(job_id))

    job = read(database, job_id)
    assert (job.status, job.attempt) == ("succeeded", 1)


def test_a_bell_trains_all_that_waits(tasks: ModuleType, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer bells are rung than jobs are accepted."""
    monkeypatch.setattr(tasks, "_ROUND_SECONDS", 600.0)
    job_ids = [submit(database, LECTURE | {"hyperparameters": {"epochs": 400}}) for _ in range(5)]

    tasks.train(str(job_ids[0]))

    assert [read(database, job_id).status for job_id in job_ids] == ["succeeded"] * 5


def test_a_process_that_has_worked_for_long_rings_for_what_is_left(
    tasks: ModuleType, database: Database, queue: FakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_ids = [submit(database, LECTURE | {"hyperparameters": {"epochs": 1000}}) for _ in range(3)]
    monkeypatch.setattr(tasks, "_ROUND_SECONDS", -1.0)

    tasks.train(str(job_ids[1]))

    assert [read(database, job_id).status for job_id in job_ids] == ["queued", "succeeded", "queued"]
    assert queue.rung == [(job_ids[0], "auto")]


def test_a_process_that_took_all_that_waited_does_not_look_again(
    tasks: ModuleType, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes while it trains has a bell of its own."""
    job_id = submit(database, LECTURE)
    looked: list[UUID] = []
    look = tasks._look
    monkeypatch.setattr(tasks, "_look", lambda process, named: (looked.append(named), look(process, named))[1])

    tasks.train(str(job_id))

    assert (read(database, job_id).status, looked) == ("succeeded", [job_id])


def test_a_process_that_is_to_end_takes_nothing_more(
    tasks: ModuleType, database: Database, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_ids = [submit(database, LECTURE | {"hyperparameters": {"epochs": 1000}}) for _ in range(2)]
    run_attempt = tasks.run_attempt
    monkeypatch.setattr(tasks, "run_attempt", lambda *claimed: (run_attempt(*claimed), process.stopping.set()))

    tasks.train(str(job_ids[0]))

    assert [read(database, job_id).status for job_id in job_ids] == ["succeeded", "queued"]


def test_a_second_bell_for_a_job_finds_nothing_to_do(tasks: ModuleType, database: Database) -> None:
    job_id = submit(database, LECTURE)
    tasks.train(str(job_id))
    before = rows_of_every_table(database), read(database, job_id).version

    tasks.train(str(job_id))

    assert (rows_of_every_table(database), read(database, job_id).version) == before


def test_a_bell_for_a_job_that_another_runs_leaves_it_alone(tasks: ModuleType, database: Database) -> None:
    mine = claimed(database)

    tasks.train(str(mine.job_id))

    assert (read(database, mine.job_id).status, read(database, mine.job_id).attempt) == ("running", 1)


def test_a_bell_for_a_device_that_is_not_here_leaves_the_job_waiting(tasks: ModuleType, database: Database) -> None:
    job_id = submit(database, LECTURE | {"device": "cuda:3"})

    tasks.train(str(job_id))

    assert read(database, job_id).status == "queued"


def of_a_job(database: Database) -> UUID:
    return submit(database, LECTURE)


def of_a_group(database: Database) -> UUID:
    sweep = request(batch_size=2) | {"grid": {"learning_rate": [0.01, 0.02, 0.03]}}
    return jobs_of(database, submit_sweep(database, sweep))[1].id


def of_data_that_another_reduces(database: Database) -> UUID:
    job_id = claimed(database).job_id
    planned = read(database, job_id).plan | {"partitions": 2}
    change(database, lambda session: session.execute(update(Job).where(Job.id == job_id).values(plan=planned)))
    change(database, lambda session: cut_job(session, job_id, [range(2), range(2, 4)]))
    return job_id


def of_nothing(database: Database) -> UUID:
    return claimed(database).job_id


@pytest.mark.parametrize(
    ("bell", "work"),
    [
        (of_a_job, JobLease),
        (of_a_group, GroupLease),
        (of_data_that_another_reduces, Job),
        (of_nothing, None),
    ],
)
def test_what_a_bell_is_for_is_found_in_one_transaction(
    tasks: ModuleType,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    bell: Callable[[Database], UUID],
    work: type | None,
) -> None:
    job_id, begun, found = bell(database), [], []
    note = begun.append
    engines = [database.writer, database.reader][
        : 1 + database.is_sqlite
    ]  # on PostgreSQL the second is part of the first
    for engine in engines:
        event.listen(engine, "begin", note)
    for action in ("run_attempt", "help_reduce"):
        monkeypatch.setattr(f"worker.tasks.{action}", lambda _, work, *loaded: found.append(type(work)))

    tasks.train(str(job_id))

    for engine in engines:
        event.remove(engine, "begin", note)
    assert len(begun) == (work is not None), "what the bell is for is seen without one"
    assert found == ([] if work is None else [work])


@pytest.mark.parametrize("argument", ["", "nonsense", "'; DROP TABLE jobs; --", "\0", "9" * 10_000])
def test_a_bell_that_names_no_id_is_let_go(tasks: ModuleType, database: Database, argument: str) -> None:
    submit(database)
    before = rows_of_every_table(database)

    tasks.train(argument)

    assert rows_of_every_table(database) == before


@pytest.mark.parametrize("argument", [str(uuid4()), "0" * 32], ids=["random", "zero"])
def test_a_bell_for_a_job_that_is_not_there_changes_nothing_where_none_waits(
    tasks: ModuleType, database: Database, argument: str
) -> None:
    before = rows_of_every_table(database)

    tasks.train(argument)

    assert rows_of_every_table(database) == before


def failing_claims(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("worker.tasks.claim_together", fail)


@pytest.mark.parametrize("reason", ["connection refused", "database or disk is full", "no such table: jobs"])
def test_a_bell_is_let_go_while_the_database_cannot_answer(
    tasks: ModuleType, database: Database, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    job_id = submit(database, LECTURE)
    failing_claims(monkeypatch, OperationalError("UPDATE", {}, Exception(reason)))

    with capture_logs() as logged:
        tasks.train(str(job_id))

    assert [line["event"] for line in logged] == ["the database is away: the bell is let go"]
    assert read(database, job_id).status == "queued"


def test_a_statement_that_is_wrong_is_not_taken_for_a_database_that_is_away(
    tasks: ModuleType, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(database, LECTURE)
    failing_claims(monkeypatch, ProgrammingError("UPDATE", {}, Exception("syntax error")))

    with pytest.raises(DatabaseError, match="syntax error"):
        tasks.train(str(job_id))


def test_the_worker_knows_the_task_by_the_name_that_is_rung(tasks: ModuleType) -> None:
    from worker.app import app

    assert "worker.tasks" in app.conf.include
    assert tasks.train.name == TASK
    assert app.tasks[TASK].run.__module__ == "worker.tasks"
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_ignore_result is True


def test_a_database_that_is_away_is_left_to_the_reaper(
    tasks: ModuleType, database: Database, process: Process, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job_id = submit(database)
    away = Database(f"postgresql://x@/x?host={tmp_path}")
    monkeypatch.setattr(tasks, "current_process", lambda: replace(process, database=away))

    tasks.train(str(job_id))

    assert read(database, job_id).status == "queued"


@pytest.mark.parametrize("damage", [{"experience": 0}, {"estimated_seconds": "long"}], ids=str)
def test_a_job_whose_plan_somebody_has_damaged_fails_and_keeps_no_other_from_training(
    database: Database, tasks: ModuleType, client: TestClient, damage: dict[str, object]
) -> None:
    damaged, sound = submit(database), submit(database)
    plan = read(database, damaged).plan | damage
    change(database, lambda session: session.execute(update(Job).where(Job.id == damaged).values(plan=plan)))

    for bell in (sound, damaged):
        tasks.train(str(bell))

    assert read(database, sound).status == "succeeded"
    failed = read(database, damaged)
    assert (failed.status, failed.error_code) == ("failed", "damaged")
    assert "damaged" in (failed.error_detail or "")
    shown = JobView.model_validate(client.get(f"/v1/jobs/{damaged}").json())
    assert "damaged" in shown.plan.why
    assert shown.error
    assert {job["id"] for job in client.get("/v1/jobs").json()["data"]} == {str(damaged), str(sound)}
