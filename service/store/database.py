"""Connections. On SQLite writers begin at once (BEGIN IMMEDIATE), so that none fails or loses an update halfway."""

import importlib
import importlib.util
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

Arguments = ParamSpec("Arguments")
Seen = TypeVar("Seen")

BUSY_TIMEOUT = 30.0
"""Seconds a SQLite writer waits for its turn."""
_TCP: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}
"""Of connections to PostgreSQL, unless its URL says otherwise: one whose cable is pulled fails within 5 s."""
_SILENT = "5s"
"""PostgreSQL ends a writer that is silent in a transaction for so long: its host may be gone, and its locks are not."""
_BEGIN = text("SELECT clock_timestamp() FROM set_config('idle_in_transaction_session_timeout', :silence, true)")


class Database:
    """Sessions for reading and for writing, which on PostgreSQL come from one pool, and small queries by themselves."""

    def __init__(self, url: str, *, owner: UUID | None = None) -> None:
        """`owner` names its connections on PostgreSQL, so that those of a lost worker can be found there."""
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.writer, self.reader = self._sqlite("BEGIN IMMEDIATE"), self._sqlite("BEGIN", query_only=True)
            self._glancer = self._sqlite(None, query_only=True)
        else:
            self.writer = self._postgresql(owner, pool_pre_ping=True, pool_size=20, max_overflow=20)
            self.reader = self.writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            self._glancer = self._postgresql(owner, isolation_level="AUTOCOMMIT", pool_size=5, max_overflow=5)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session whose reads see one moment of the database. It cannot write."""
        with Session(self.reader, expire_on_commit=False) as session:
            yield session
            session.commit()  # of nothing: psycopg forgets what it has prepared when a transaction is rolled back

    def glance(
        self,
        look: Callable[Concatenate[Connection, Arguments], Seen],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Seen:
        """Ask one small query, which sees one moment by itself: the database is asked once, not four times.

        Whether a pooled connection has been lost is seen by the query itself, which is then asked again on a new one.
        """
        try:
            with self._glancer.connect() as connection:
                return look(connection, *arguments, **named)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        with self._glancer.connect() as connection:
            return look(connection, *arguments, **named)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session to write with; what is not committed is rolled back.

        Rows that its UPDATEs change are not looked for among the objects it holds: that takes as long as the UPDATE.
        """
        options = {"synchronize_session": False}
        with Session(self.writer, expire_on_commit=False, execution_options=options) as session:
            if self.is_sqlite:
                session.connection()  # wait for our turn now: a moment read before it is past when it is written
            else:
                session.info["now"] = session.scalar(_BEGIN, {"silence": _SILENT})
            yield session

    def dispose(self, *, close: bool = True) -> None:
        """Drop the pooled connections; with close=False those of a parent process are left alone."""
        self.writer.dispose(close=close)
        self.reader.dispose(close=close)
        self._glancer.dispose(close=close)

    def _postgresql(self, owner: UUID | None, **options: Any) -> Engine:
        limits = {name: value for name, value in _TCP.items() if name not in self.url.query}
        engine = create_engine(self.url, pool_timeout=10, connect_args=limits, **options)
        if owner:
            event.listen(engine, "do_connect", partial(_name_connection, owner))
        return engine

    def _sqlite(self, begin: str | None, *, query_only: bool = False) -> Engine:
        """Without a BEGIN every query is a transaction by itself."""
        if self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            self.url, module=_sqlite_driver(), connect_args={"timeout": BUSY_TIMEOUT}, pool_size=20, max_overflow=20
        )

        @event.listens_for(engine, "connect")
        def configure(connection: Any, _record: object) -> None:
            connection.isolation_level = None  # we begin transactions ourselves
            _use_wal(connection)
            connection.execute("PRAGMA synchronous = FULL")  # an accepted job outlives a power cut
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA query_only = {int(query_only)}")

        if begin:
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine


def connection_name(owner: UUID, process_id: int) -> str:
    """What PostgreSQL calls the connections of one process."""
    return f"slope {owner} {process_id}"


def _name_connection(
    owner: UUID, _dialect: object, _record: object, _arguments: object, parameters: dict[str, Any]
) -> None:
    """Late, for a child has its parent's engine and a process id of its own."""
    parameters["application_name"] = connection_name(owner, os.getpid())


def _use_wal(connection: Any) -> None:
    """Several processes may open a new file at once, and for this one change SQLite does not wait for its turn."""
    until = monotonic() + BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except _sqlite_driver().OperationalError as error:
            if "locked" not in str(error) or monotonic() > until:
                raise
            sleep(0.01)
        else:
            return


def _sqlite_driver() -> Any:
    """SQLite before 3.51.3 can corrupt a WAL file that two processes write: take a newer one than the system's."""
    if importlib.util.find_spec("pysqlite3"):
        return importlib.import_module("pysqlite3.dbapi2")
    return sqlite3


def is_full(error: DBAPIError) -> bool:
    """Whether there is no room left. SQLite says so in words, PostgreSQL by the class of its error."""
    return "disk is full" in str(error.orig) or type(error.orig).__name__ == "DiskFull"


def has_no_schema(error: DBAPIError) -> bool:
    """Whether a table is missing: nobody has created the schema."""
    return "no such table" in str(error.orig) or type(error.orig).__name__ == "UndefinedTable"


def now(session: Session) -> datetime:
    """The database's clock, which all processes share. SQLite lives on one host, and has that host's.

    On PostgreSQL a session that writes has one moment, its begin.
    """
    if session.get_bind().dialect.name == "sqlite":
        return datetime.now(UTC)
    moment: datetime = session.info.get("now") or session.execute(text("SELECT clock_timestamp()")).scalar_one()
    return moment


def later(session: Session, seconds: float) -> Any:
    """The moment so many seconds from when the statement runs, however long its transaction has lasted by then."""
    span = timedelta(seconds=seconds)
    return now(session) + span if session.get_bind().dialect.name == "sqlite" else func.clock_timestamp() + span
