"""A database that does not answer: who is impatient has an error soon, and nobody is cut while the server works."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from time import monotonic
from typing import Any

import psutil
import psycopg
import pytest
from faults.proxy import Proxy
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import OperationalError
from workbench import at_once, change, submit

from service.errors import DatabaseUnavailable
from service.store import database as connections
from service.store.connections import postgresql
from service.store.database import Database
from service.store.jobs import jobs

_LIMIT_SECONDS = 60.0


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests have less time than clients."""
    monkeypatch.setattr(postgresql, "ASK_AFTER", 0.2)
    monkeypatch.setattr(postgresql, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(connections, "_TURN_SECONDS", 0.3)


@pytest.fixture
def host(postgresql_url: str) -> Iterator[Proxy]:
    """The way to PostgreSQL."""
    url = make_url(postgresql_url)
    socket = f"{url.query.get('host') or url.host}/.s.PGSQL.{url.port or 5432}"
    with Proxy(socket) as proxy:
        yield proxy


@pytest.fixture
def far(postgresql_url: str, host: Proxy) -> Iterator[Database]:
    """An impatient one's database behind it."""
    url = make_url(postgresql_url).set(host="127.0.0.1", port=host.port, query={"sslmode": "disable"})
    with _opened(url.render_as_string(hide_password=False)) as database:
        yield database


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = Database(url, fails_fast=True)
    yield database
    database.dispose()


def one(connection: Connection) -> Any:
    return connection.scalar(text("SELECT 1"))


def read_one(database: Database) -> Any:
    with database.reading() as session:
        return session.scalar(text("SELECT 1"))


def write_one(database: Database) -> Any:
    with database.writing() as session:
        return session.scalar(text("SELECT 1"))


def query_one(database: Database) -> Any:
    return database.query(one)


WAYS = pytest.mark.parametrize("ask", [read_one, write_one, query_one])


@WAYS
def test_a_server_that_is_cut_off_is_not_waited_for(far: Database, host: Proxy, ask: Callable[[Database], Any]) -> None:
    assert ask(far) == 1

    host.hold()
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            ask(far)


@WAYS
def test_a_server_that_stands_still_is_not_waited_for(postgresql_url: str, ask: Callable[[Database], Any]) -> None:
    with _opened(postgresql_url) as database:
        assert ask(database) == 1
        with standstill(database), pytest.raises(DatabaseUnavailable):
            ask(database)
        assert _when_it_answers(database, ask) == 1


@contextmanager
def standstill(database: Database) -> Iterator[None]:
    """Freezes the server, with all its processes."""
    with database.reading() as session:
        process = psutil.Process(session.scalar(text("SELECT pg_backend_pid()"))).parent()
    assert process is not None
    everyone = [process, *process.children()]
    for one_of_them in everyone:
        os.kill(one_of_them.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for one_of_them in reversed(everyone):
            os.kill(one_of_them.pid, signal.SIGCONT)


def _when_it_answers(database: Database, ask: Callable[[Database], Any]) -> Any:
    until = monotonic() + _LIMIT_SECONDS
    while True:
        try:
            return ask(database)
        except DatabaseUnavailable:
            if monotonic() > until:
                raise


def test_all_who_wait_are_let_go_together_and_come_back_when_the_server_does(far: Database, host: Proxy) -> None:
    def ask(_: int) -> bool:
        with pytest.raises(DatabaseUnavailable):
            read_one(far)
        return True

    at_once(20, lambda _: read_one(far))
    host.hold()
    assert all(at_once(20, ask))
    host.let_go()
    assert _when_it_answers(far, read_one) == 1
    assert _when_it_answers(far, query_one) == 1


def test_while_a_server_is_known_to_be_silent_nobody_waits(
    far: Database, host: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_one(far)
    host.hold()
    monkeypatch.setattr(postgresql, "ASK_AGAIN", 10 * _LIMIT_SECONDS)
    with pytest.raises(DatabaseUnavailable):
        read_one(far)
    asked: list[int] = []
    monkeypatch.setattr(postgresql, "_ask", lambda _, process_id: asked.append(process_id))

    for ask in (read_one, write_one, query_one):
        with pytest.raises(DatabaseUnavailable, match="does not answer"):
            ask(far)

    assert asked == []


def test_a_connection_that_is_refused_while_the_server_is_silent_is_not_rolled_back(
    far: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Another has found out that it is silent between the checkout of the connection and its first question."""

    def refuse(_: postgresql.Server) -> None:
        raise psycopg.OperationalError("the database does not answer")

    read_one(far)
    monkeypatch.setattr(postgresql.Server, "refuse_while_silent", refuse)
    with pytest.raises(DatabaseUnavailable):
        read_one(far)

    assert [record.message for record in caplog.records if record.name.startswith("sqlalchemy")] == []


@WAYS
def test_an_answer_that_was_lost_is_not_waited_for_and_a_new_connection_works(
    far: Database, host: Proxy, ask: Callable[[Database], Any]
) -> None:
    assert ask(far) == 1
    host.cut()

    assert ask(far) == 1, "a look before it is used, or a second query, finds the connection dead"
    assert ask(far) == 1


def test_a_statement_whose_answer_is_lost_halfway_fails(far: Database, host: Proxy) -> None:
    with far.reading() as session:
        session.execute(text("SELECT 1"))
        host.cut()
        with pytest.raises(OperationalError):
            session.execute(text("SELECT 2"))
        session.rollback()
    assert read_one(far) == 1


def test_a_statement_that_the_server_works_on_may_take_long(far: Database) -> None:
    with far.reading() as session:
        assert session.scalar(text("SELECT 1 FROM pg_sleep(1.5)")) == 1


def test_a_small_query_may_not_take_long(far: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        far.query(lambda connection: connection.scalar(text("SELECT 1 FROM pg_sleep(60)")))
    assert query_one(far) == 1


def test_a_patient_one_waits_for_a_server_that_stands_still(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    read_one(database)
    answers: list[Any] = []
    asking = Thread(target=lambda: answers.append(read_one(database)))
    with standstill(database):
        asking.start()
        asking.join(2.0)  # the impatient would have left long since
        assert asking.is_alive()
    asking.join(_LIMIT_SECONDS)
    database.dispose()

    assert answers == [1]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_turn_to_write_is_waited_for_in_vain_a_short_time(request: pytest.FixtureRequest, kind: str) -> None:
    url = request.getfixturevalue(f"{kind}_url")
    holder = Database(url)
    job_id = submit(holder)
    with _opened(url) as database:
        with holder.writing() as session:
            jobs.lock_job(session, job_id)
            for _ in range(2):
                with pytest.raises(DatabaseUnavailable):
                    change(database, lambda other: jobs.lock_job(other, job_id))
        change(database, lambda other: jobs.lock_job(other, job_id))
    holder.dispose()
