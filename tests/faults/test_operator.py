"""What the operator is told: `slope doctor` finds what is wrong and what to do, `slope jobs reap` does some of it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from integration.workbench import FakeQueue, change, claimed, read, request, submit
from sqlalchemy import update
from uuid_utils.compat import uuid7

from service import startup
from service.commands import operate
from service.settings import Settings
from service.store import workers
from service.store.database import Database, now
from service.store.tables import Job, Worker
from service.upkeep import doctor, lost_jobs

Examine = Callable[[], list[str]]
HASTY = {"lease_seconds": 1.0}
"""For so long jobs are looked at before they are taken."""


@pytest.fixture
def examine(settings: Settings, database: Database, queue: FakeQueue) -> Examine:
    """What is to be done, in the doctor's words."""

    def examine() -> list[str]:
        found = list(doctor.diagnose(settings, database, queue))
        return [f"{each.subject} {each.finding}: {each.advice}" for each in found if each.advice]

    return examine


@pytest.fixture
def living(database: Database) -> UUID:
    """A worker that has a CPU."""
    worker_id = uuid7()
    devices = [{"name": "cpu", "description": "the test's"}]
    row = Worker(id=worker_id, hostname="here", process_id=1, version="1", devices=devices, slots=1)
    change(database, lambda session: workers.add_worker(session, row))
    return worker_id


@pytest.mark.usefixtures("living")
def test_where_all_is_well_nothing_is_to_be_done(examine: Examine, database: Database) -> None:
    submit(database)
    assert examine() == []


@pytest.mark.usefixtures("living")
def test_a_broker_that_is_down_is_found(examine: Examine, queue: FakeQueue) -> None:
    queue.is_up = False
    [advice] = examine()
    assert advice.startswith("broker does not answer: Jobs are accepted and wait")


def test_it_is_told_when_no_worker_lives(examine: Examine, database: Database, living: UUID) -> None:
    assert examine() == []
    change(database, lambda session: workers.stop_worker(session, living))
    [advice] = examine()
    assert "none is alive" in advice
    assert "slope worker" in advice


@pytest.mark.usefixtures("living")
def test_a_job_whose_worker_is_gone_is_named(examine: Examine, database: Database) -> None:
    mine = claimed(database, lease_seconds=-1.0)
    [advice] = examine()
    assert f"{mine.job_id} runs, and its worker is gone" in advice
    assert "slope jobs reap" in advice


@pytest.mark.usefixtures("living")
def test_a_job_for_a_device_that_nobody_has_is_found(examine: Examine, database: Database) -> None:
    submit(database, request() | {"device": "cuda:7"})
    [advice] = examine()
    assert "for cuda:7: Start a worker that has cuda:7" in advice


@pytest.mark.usefixtures("living")
def test_a_job_that_has_waited_for_long_is_found(examine: Examine, database: Database) -> None:
    submit(database)
    with database.reading() as session:
        long_ago = now(session) - timedelta(hours=1)
    change(database, lambda session: session.execute(update(Job).values(created_at=long_ago)))
    [advice] = examine()
    assert "Start more workers" in advice


def test_a_database_without_the_schema_is_told_to_be_upgraded(
    empty_database: Database, queue: FakeQueue, tmp_path: Path
) -> None:
    if empty_database.is_sqlite:
        Path(str(empty_database.url.database)).touch()
    found = list(doctor.diagnose(Settings(data_dir=tmp_path), empty_database, queue))
    assert [(each.subject, each.advice) for each in found] == [("schema", "Run `slope db upgrade`")]


def test_a_folder_without_a_database_is_told_and_stays_empty(queue: FakeQueue, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    [found] = doctor.diagnose(settings, Database(settings.database), queue)
    assert "slope serve" in str(found.advice)
    assert not list(tmp_path.iterdir())


def test_a_database_that_does_not_answer_is_told(settings: Settings, queue: FakeQueue, tmp_path: Path) -> None:
    nowhere = Database(f"postgresql+psycopg://nobody@/nothing?host={tmp_path}")
    [found] = doctor.diagnose(settings, nowhere, queue)
    assert (found.subject, found.finding.startswith("does not answer")) == ("database", True)
    assert found.advice


def test_damage_of_the_file_is_found(sqlite_url: str, queue: FakeQueue) -> None:
    database = Database(sqlite_url)
    for _ in range(20):
        submit(database)
    with database.writer.connect() as connection:
        connection.exec_driver_sql("COMMIT")  # a checkpoint is made outside of transactions
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        size = int(connection.exec_driver_sql("PRAGMA page_size").scalar() or 0)
    database.dispose()
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    pages = file.read_bytes()
    file.write_bytes(pages[: 10 * size] + bytes(range(256)) * (8 * size // 256) + pages[18 * size :])

    database = Database(sqlite_url)
    found = list(doctor.diagnose(Settings(database_url=sqlite_url, data_dir=file.parent), database, queue))
    database.dispose()

    assert any(each.advice == "Restore the file from a copy" for each in found)


def test_the_doctor_prints_what_is_wrong_and_exits_with_1(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(startup, "begin", lambda: settings)
    monkeypatch.setattr(operate, "Database", lambda _url, fails_fast: database)  # to be closed
    mine = claimed(database, lease_seconds=-1.0)

    with pytest.raises(SystemExit) as ended:
        operate.print_diagnoses()

    assert ended.value.code == 1
    told = capsys.readouterr().out
    assert "✓ database: answers at" in told
    assert "✗ broker: does not answer" in told
    assert f"✗ job: {mine.job_id} runs, and its worker is gone" in told
    assert "    A worker takes it up within seconds; without one, run `slope jobs reap`." in told


def test_reaping_by_hand_takes_jobs_from_the_dead_and_rings_for_them(
    settings: Settings,
    database: Database,
    broker_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(startup, "begin", lambda: settings.model_copy(update={"broker_url": broker_url} | HASTY))
    monkeypatch.setattr(operate, "Database", lambda _url, fails_fast: database)  # to be closed
    lost, held = claimed(database, lease_seconds=-1.0), claimed(database)

    operate.reap_jobs()
    assert "1 taken from lost workers, 1 rung for." in capsys.readouterr().out
    assert read(database, lost.job_id).status == "queued"
    assert read(database, held.job_id).status == "running"

    operate.reap_jobs()
    assert "0 taken from lost workers, 0 rung for." in capsys.readouterr().out


def test_reaping_by_hand_leaves_a_job_alone_whose_worker_gives_a_sign_of_life_meanwhile(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Worker and operator were cut off from the database together, and it is back."""
    monkeypatch.setattr(startup, "begin", lambda: settings.model_copy(update=HASTY))
    monkeypatch.setattr(operate, "Database", lambda _url, fails_fast: database)  # to be closed
    mine = claimed(database, lease_seconds=-1.0)
    monkeypatch.setattr(lost_jobs, "sleep", lambda _: change(database, lambda session: mine.beat(session, 60.0)))

    operate.reap_jobs()

    told = capsys.readouterr().out
    assert "Looking for 1 s whether workers that were silent are only cut off." in told
    assert "0 taken from lost workers" in told
    assert read(database, mine.job_id).status == "running"


def test_reaping_without_a_broker_still_takes_jobs_from_the_dead(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(startup, "begin", lambda: settings.model_copy(update=HASTY))
    monkeypatch.setattr(operate, "Database", lambda _url, fails_fast: database)  # to be closed
    lost = claimed(database, lease_seconds=-1.0)

    operate.reap_jobs()

    assert "1 taken from lost workers, 0 rung for." in capsys.readouterr().out
    assert read(database, lost.job_id).status == "queued"
