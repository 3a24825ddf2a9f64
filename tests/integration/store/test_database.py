"""Connections: whose clock counts, who may write, and that no writer loses another's update."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import SQLAlchemyError
from workbench import add_warning, at_once, read, submit

import service.store.database
from service.errors import DatabaseError
from service.jobs.jobs import look_at_job
from service.store import events
from service.store.database import Database, now
from service.store.jobs import jobs
from service.store.jobs.idempotency import lock_key
from service.store.tables import Job

ROOT = Path(__file__).parents[3]


class Yesterday(datetime):
    """A process whose clock is a day late."""

    @classmethod
    def now(cls, tz: object = None) -> "Yesterday":
        return cls.fromtimestamp(datetime.now(UTC).timestamp() - 86_400, UTC)


def test_now_is_the_clock_of_the_database_server(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.store.database, "datetime", Yesterday)
    database = Database(postgresql_url)

    with database.reading() as session:
        before: datetime = session.scalar(text("SELECT clock_timestamp()"))
        moment = now(session)
        after: datetime = session.scalar(text("SELECT clock_timestamp()"))
    database.dispose()

    assert before <= moment <= after
    assert moment.utcoffset() is not None


def test_now_moves_on_within_a_transaction(database: Database) -> None:
    with database.reading() as session:
        moments = [now(session) for _ in range(3)]
    assert moments == sorted(moments)
    assert moments[0] < moments[-1]


def test_now_is_the_clock_of_the_host_where_the_database_is_a_file(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.reading() as session:
        moment = now(session)
    database.dispose()

    assert abs(moment - datetime.now(UTC)) < timedelta(seconds=30)


def test_times_are_aware_and_in_utc(database: Database) -> None:
    assert read(database, submit(database)).created_at.utcoffset() == timedelta(0)


def test_a_session_to_read_with_cannot_write(database: Database) -> None:
    job_id = submit(database)

    with database.reading() as session, pytest.raises(SQLAlchemyError):
        jobs.cancel_waiting(session, job_id)

    assert read(database, job_id).status == "queued"


def test_a_session_to_read_with_sees_one_moment(database: Database) -> None:
    job_id = submit(database)

    with database.reading() as session:
        first = [event.seq for event in events.events_after(session, job_id, 0, 10)]
        with database.writing() as other:
            add_warning(other, job_id, "later")
            other.commit()
        second = [event.seq for event in events.events_after(session, job_id, 0, 10)]

    assert first == second == [1]
    assert len(read(database, job_id).events) == 2


def test_what_is_not_committed_is_rolled_back(database: Database) -> None:
    job_id = submit(database)

    with database.writing() as session:
        assert jobs.cancel_waiting(session, job_id)

    assert read(database, job_id).status == "queued"


COUNT_UP = """
import sys
from uuid import UUID
from service.store.database import Database
from service.store.tables import Job

database = Database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[3])):
    with database.writing() as session:
        session.get_one(Job, UUID(sys.argv[2])).epochs_done += 1
        session.commit()
"""


def test_processes_that_read_and_then_write_lose_no_update_on_sqlite(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    job_id = submit(database)
    command = [sys.executable, "-c", COUNT_UP, sqlite_url, str(job_id), "40"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen(command, cwd=ROOT, env=os.environ, **pipes) for _ in range(3)]  # type: ignore[call-overload]

    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
    done = read(database, job_id).epochs_done
    database.dispose()

    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert done == 3 * 40


def test_threads_that_read_and_then_write_lose_no_update_on_sqlite(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    job_id = submit(database)

    def count_up(_: int) -> None:
        for _ in range(10):
            with database.writing() as session:
                session.get_one(Job, job_id).epochs_done += 1
                session.commit()

    at_once(8, count_up)
    done = read(database, job_id).epochs_done
    database.dispose()

    assert done == 80


def test_a_writer_does_not_stop_readers(database: Database) -> None:
    job_id = submit(database)

    with database.writing() as session:
        jobs.cancel_waiting(session, job_id)
        assert read(database, job_id).status == "queued"
        session.commit()

    assert read(database, job_id).status == "cancelled"


def test_an_idempotency_key_is_held_by_one_transaction_at_a_time(postgresql_url: str) -> None:
    database, is_held, may_end = Database(postgresql_url), Event(), Event()

    def act(number: int) -> list[bool]:
        if number == 0:
            with database.writing() as session:
                held = lock_key(session, Job, "key")
                is_held.set()
                assert may_end.wait(30)
            return [held]
        assert is_held.wait(30)
        with database.writing() as session:
            answers = [lock_key(session, Job, "key"), lock_key(session, Job, "another")]
        may_end.set()
        return answers

    holder, other = at_once(2, act)
    with database.writing() as session:
        afterwards = lock_key(session, Job, "key")
    database.dispose()

    assert (holder, other, afterwards) == ([True], [False, True], True)


_MINE = text("SELECT pg_backend_pid()")


def test_a_query_is_asked_again_when_its_pooled_connection_was_lost(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    before = database.query(lambda connection: connection.scalar(_MINE))
    with database.reading() as session:
        session.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": before})
    after = database.query(lambda connection: connection.scalar(_MINE))
    database.dispose()

    assert before != after


def test_a_job_is_looked_at_again_when_the_pooled_connection_was_lost(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    job_id = submit(database)
    before = database.query(lambda connection: connection.scalar(_MINE))
    with database.reading() as session:
        session.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": before})
    job, _ = database.query(look_at_job, job_id)
    database.dispose()

    assert (job.id, [event.status for event in job.events]) == (job_id, ["queued"])


def test_a_transaction_begins_by_one_question_on_postgresql(postgresql_url: str) -> None:
    """Before there were three: whether the connection lives, the driver's BEGIN, and what is set for a writer."""
    database, asked = Database(postgresql_url), []
    event.listen(database.writer, "before_cursor_execute", lambda *call: asked.append(call[2]))
    with database.writing() as session:
        driver: psycopg.Connection[object] = session.connection().connection.driver_connection  # type: ignore[assignment]
        status, is_autocommit = driver.info.transaction_status, driver.autocommit
    database.dispose()

    assert [statement.endswith("; BEGIN") for statement in asked] == [True]
    assert (status, is_autocommit) == (psycopg.pq.TransactionStatus.INTRANS, True)


def test_a_query_that_fails_on_a_sound_connection_is_not_asked_again(database: Database) -> None:
    asked: list[Connection] = []

    def look(connection: Connection) -> None:
        asked.append(connection)
        connection.exec_driver_sql("SELECT nothing FROM nowhere")

    with pytest.raises(DatabaseError):
        database.query(look)

    assert len(asked) == 1


def test_a_job_that_is_not_there_is_none(database: Database) -> None:
    with database.reading() as session:
        assert jobs.find_job(session, UUID(int=0)) is None


def limits_of(url: str) -> dict[str, str]:
    """What libpq was told about a new connection."""
    database = Database(url)
    with database.writer.connect() as connection:
        told: dict[str, str] = connection.connection.driver_connection.info.get_parameters()  # type: ignore[union-attr]
    database.dispose()
    return told


def test_a_connection_whose_cable_is_pulled_has_few_seconds_to_live(postgresql_url: str) -> None:
    told = limits_of(postgresql_url)

    assert (
        told.items()
        >= {
            "keepalives_idle": "2",
            "keepalives_interval": "1",
            "keepalives_count": "3",
            "tcp_user_timeout": "5000",
            "connect_timeout": "5",
        }.items()
    )


def test_limits_of_connections_in_the_url_come_first(postgresql_url: str) -> None:
    mark = "&" if "?" in postgresql_url else "?"
    told = limits_of(f"{postgresql_url}{mark}tcp_user_timeout=90000&connect_timeout=9")

    assert (told["tcp_user_timeout"], told["connect_timeout"], told["keepalives_idle"]) == ("90000", "9", "2")
