"""Connections to SQLite. A writer waits for its turn when it begins: none fails or loses an update halfway."""

import importlib
import importlib.util
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError

from service.store.tables.base import read_document, write_document

BUSY_TIMEOUT = 30.0
"""Seconds a writer waits for its turn."""
_SHORT_TURN_SECONDS = 0.2
_STEPS_BETWEEN_LOOKS = 100_000
"""Of SQLite's machine: about a millisecond."""

Begin = Callable[[Connection], None]


def sqlite_engine(
    url: URL, begin: Begin | None, *, turn_seconds: float, pool_seconds: float, query_only: bool = False
) -> Engine:
    """Without a BEGIN every query is a transaction by itself."""
    if url.database:
        Path(url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = create_engine(
        url,
        module=_driver(),
        connect_args={"timeout": turn_seconds},
        json_serializer=write_document,
        json_deserializer=read_document,
        pool_size=20,
        max_overflow=20,
        pool_timeout=pool_seconds,
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we begin transactions ourselves
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")  # an accepted job outlives a power cut
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA query_only = {int(query_only)}")

    if begin:
        event.listen(engine, "begin", begin)
    return engine


def begin_reading(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def begin_writing(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


class WriteTurns:
    """After a wait for a turn to write that was in vain, the next ones wait less: their threads are needed."""

    def __init__(self, seconds: float) -> None:
        self._allowed = self._seconds = seconds

    def begin(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {1000 * self._seconds:.0f}")
        try:
            begin_writing(connection)
        except OperationalError:
            self._seconds = _SHORT_TURN_SECONDS
            raise
        self._seconds = self._allowed


@contextmanager
def interrupted_after(connection: Connection, seconds: float) -> Iterator[None]:
    """SQLite has no limit of time: it asks now and then whether it is to go on."""
    driver, until = connection.connection.driver_connection, monotonic() + seconds
    assert driver
    driver.set_progress_handler(lambda: monotonic() > until, _STEPS_BETWEEN_LOOKS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


def _use_wal(connection: Any) -> None:
    """Several processes may open a new file together, and for this one change SQLite does not wait for its turn."""
    until = monotonic() + BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except _driver().OperationalError as error:
            if "locked" not in str(error) or monotonic() > until:
                raise
            sleep(0.01)
        else:
            return


def _driver() -> Any:
    """SQLite before 3.51.3 can corrupt a WAL file that two processes write: take a newer one than the system's."""
    if importlib.util.find_spec("pysqlite3"):
        return importlib.import_module("pysqlite3.dbapi2")
    return sqlite3
