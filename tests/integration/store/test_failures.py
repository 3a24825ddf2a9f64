"""What the database cannot do leaves the store as an error of the service, whichever database it is."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    InvalidRequestError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from workbench import change

from service.errors import DatabaseError, DatabaseUnavailable, JobNotFound, SchemaMissing, ServiceError, StorageFull
from service.store import workers
from service.store.connections import condition
from service.store.database import Database, translated_errors
from service.store.jobs import jobs

NOBODY = UUID(int=1)


class DiskFull(Exception):
    """Named as psycopg names it."""


class UndefinedTable(Exception):
    """Named as psycopg names it."""


def of_driver(kind: type[DBAPIError], original: Exception, *, gone: bool = False) -> DBAPIError:
    return kind("SELECT 1", {}, original, connection_invalidated=gone)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (of_driver(OperationalError, Exception("connection refused")), DatabaseUnavailable),
        (of_driver(OperationalError, Exception("database is locked")), DatabaseUnavailable),
        (of_driver(InterfaceError, Exception("the connection is closed")), DatabaseUnavailable),
        (of_driver(InternalError, Exception("terminating connection"), gone=True), DatabaseUnavailable),
        (PoolTimeout("no connection is free"), DatabaseUnavailable),
        (of_driver(OperationalError, Exception("database or disk is full")), StorageFull),
        (of_driver(OperationalError, DiskFull("could not extend file")), StorageFull),
        (of_driver(OperationalError, Exception("no such table: jobs")), SchemaMissing),
        (of_driver(ProgrammingError, UndefinedTable('relation "jobs" does not exist')), SchemaMissing),
        (of_driver(ProgrammingError, Exception("syntax error")), DatabaseError),
        (of_driver(IntegrityError, Exception("twice")), DatabaseError),
        (of_driver(InternalError, Exception("cannot write")), DatabaseError),
        (InvalidRequestError("this session has been closed"), DatabaseError),
    ],
)
def test_errors_of_the_database_are_told_apart_and_keep_their_cause(
    error: SQLAlchemyError, kind: type[ServiceError]
) -> None:
    with pytest.raises(ServiceError) as raised, translated_errors():
        raise error
    assert type(raised.value) is kind
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", [JobNotFound(NOBODY), ValueError("wrong")])
def test_what_is_not_of_the_database_is_left_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, translated_errors():
        raise error
    assert raised.value is error


def test_what_the_driver_says_is_for_the_log_and_not_for_the_client() -> None:
    for error in (DatabaseUnavailable("password 1234"), SchemaMissing("password 1234"), DatabaseError("password 1234")):
        assert str(error) == "password 1234"
        assert "1234" in repr(error)
        assert "1234" not in error.detail


@pytest.fixture
def nowhere(tmp_path: Path) -> Database:
    return Database(f"postgresql+psycopg://nobody@/nothing?host={tmp_path}")


def read(database: Database) -> object:
    with database.reading() as session:
        return workers.list_workers(session)


def write(database: Database) -> object:
    with database.writing() as session:
        return workers.stop_worker(session, NOBODY)


def query(database: Database) -> object:
    return database.query(jobs.versions_of, [NOBODY])


WAYS = pytest.mark.parametrize("ask", [read, write, query])


@WAYS
def test_a_database_without_tables_has_no_schema(empty_database: Database, ask: Callable[[Database], object]) -> None:
    with pytest.raises(SchemaMissing):
        ask(empty_database)


@WAYS
def test_a_server_that_is_not_there_is_unavailable(nowhere: Database, ask: Callable[[Database], object]) -> None:
    with pytest.raises(DatabaseUnavailable):
        ask(nowhere)


def test_a_full_file_has_no_room(sqlite_url: str) -> None:
    def fill(session: Session) -> None:
        pages = session.scalar(text("PRAGMA page_count"))
        session.execute(text(f"PRAGMA max_page_count = {pages}"))
        session.execute(text("CREATE TABLE large AS SELECT zeroblob(1000000) AS content"))

    database = Database(sqlite_url)
    with pytest.raises(StorageFull, match="full"):
        change(database, fill)
    database.dispose()


def test_the_database_is_asked_whether_it_answers(database: Database, nowhere: Database) -> None:
    database.query(condition.ask_database)
    with pytest.raises(DatabaseUnavailable):
        nowhere.query(condition.ask_database)
