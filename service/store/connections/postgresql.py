"""Connections to PostgreSQL, and whether it answers: nobody waits for a server that is frozen or cut off, nor for an
answer that was lost.

A statement may take long; a server that stands still must not keep its clients waiting. So a client that has waited
for a second asks, on a new connection, whether the server is there and works on the statement.
"""

import os
from collections.abc import Generator
from contextlib import suppress
from datetime import datetime
from functools import partial
from math import inf
from threading import Lock
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from psycopg import Connection, Error, OperationalError
from psycopg.abc import PQGen
from psycopg.errors import ConnectionTimeout
from psycopg.waiting import Ready
from sqlalchemy import URL, Engine, ExceptionContext, create_engine, event
from sqlalchemy import Connection as SQLConnection
from sqlalchemy.exc import DBAPIError

from service.store.tables.base import read_document, write_document

ASK_AFTER, ASK_AGAIN = 1.0, 0.5
"""Seconds that are waited before the server is asked, and between two questions while it is silent."""
CONNECT_SECONDS, ANSWER_SECONDS = 2, 1.0
"""How long it may take to connect (libpq's shortest time), and then to answer."""
_NOTHING_CAME = 0.1
"""How often psycopg tells a statement that waits that nothing has come."""

_TCP: dict[str, Any] = {
    "client_encoding": "utf8",  # whatever PGCLIENTENCODING says
    "connect_timeout": 5,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}
"""Of connections to PostgreSQL, unless its URL says otherwise: one whose cable is pulled fails within 5 s."""

BEGIN = "slope_begin"
"""The option of a connection that says with which statements its transactions begin."""
READING = {BEGIN: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}
_MOMENT = "moment"

log = structlog.get_logger()


def postgresql_engine(
    url: URL,
    *,
    worker_id: UUID | None,
    server: "Server | None",
    pool_seconds: float,
    longest: float = inf,
    **options: Any,
) -> Engine:
    """`worker_id` names its connections. With a server, statements are given up after `longest` seconds."""
    defaults = _TCP | {"connect_timeout": CONNECT_SECONDS} if server else _TCP
    limits = {name: value for name, value in defaults.items() if name not in url.query}
    spoken = url.difference_update_query(["prepare_threshold"])  # no word of libpq: it is set below
    written = {"json_serializer": write_document, "json_deserializer": read_document}
    engine = create_engine(spoken, pool_timeout=pool_seconds, connect_args=limits, **written, **options)
    event.listen(engine, "connect", _prepare_nothing_behind_a_pooler)
    event.listen(engine, "handle_error", _close_cursor)
    if worker_id:
        event.listen(engine, "do_connect", partial(_name_connection, worker_id))
    if server:
        event.listen(engine, "do_connect", partial(_connect, server, longest))
    return engine


def connection_name(worker_id: UUID, process_id: int) -> str:
    """What PostgreSQL calls the connections of one process."""
    return f"slope {worker_id} {process_id}"


def _name_connection(
    worker_id: UUID, _dialect: object, _record: object, _arguments: object, parameters: dict[str, Any]
) -> None:
    """Late, for a child has its parent's engine and a process id of its own."""
    parameters["application_name"] = connection_name(worker_id, os.getpid())


def _prepare_nothing_behind_a_pooler(connection: Any, _record: object) -> None:
    """PgBouncer gives each transaction to another process of the server, which has not what one before has prepared.

    It names processes of its own. Without a pooler prepared statements save four fifths of a poll.
    """
    if connection.execute("SELECT pg_backend_pid()").fetchone()[0] != connection.info.backend_pid:
        connection.prepare_threshold = None
    connection.rollback()


def begin_by_option(engine: Engine) -> Engine:
    """Let its transactions begin as the option of their connection says.

    psycopg would send a BEGIN of its own before the first statement, and wait for the answer.
    """
    event.listen(engine, "connect", _begin_nothing)
    event.listen(engine, "begin", _begin)
    return engine


def writing(*, silence: str, turn: str) -> dict[str, str]:
    """The option of who writes: the server ends it when it is silent for too long, and a lock is waited for as long.

    BEGIN comes last, for the driver hands out the first answer; what is set before belongs to the transaction, too.
    """
    limits = {"idle_in_transaction_session_timeout": silence, "lock_timeout": turn}
    settings = ", ".join(f"set_config('{name}', '{value}', true) AS {name}" for name, value in limits.items())
    return {BEGIN: f"SELECT clock_timestamp() FROM {settings}; BEGIN"}  # noqa: S608  # our names, our numbers


def began_at(connection: SQLConnection) -> datetime | None:
    """The server's clock when the transaction of who writes began."""
    moment: datetime | None = connection.info.get(_MOMENT)
    return moment


def _begin_nothing(connection: Any, _record: object) -> None:
    connection.autocommit = True


def _begin(connection: SQLConnection) -> None:
    """Whether a pooled connection has been lost is seen by this: then it is asked for on a new one."""
    try:
        _send_begin(connection)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        _send_begin(connection)


def _send_begin(connection: SQLConnection) -> None:
    answer = connection.exec_driver_sql(connection.get_execution_options().get(BEGIN, "BEGIN"))
    connection.info[_MOMENT] = answer.scalar_one() if answer.returns_rows else None


def _close_cursor(context: ExceptionContext) -> None:
    """SQLAlchemy leaves it open where the connection has broken, and tries once where it breaks just then."""
    if context.execution_context and context.execution_context.cursor:
        with suppress(Error):
            context.execution_context.cursor.close()


def _connect(
    server: "Server", longest: float, _dialect: object, _record: object, _arguments: object, parameters: dict[str, Any]
) -> Any:
    return server.connect(parameters, longest=longest)


class FailFastConnection(Connection[Any]):
    """A connection that gives up a statement when the server does not answer, or does not work on it."""

    server: "Server | None" = None
    longest = inf
    """Seconds after which a statement is given up even while the server works on it."""

    def wait(self, gen: PQGen[Any], interval: float = _NOTHING_CAME, timeout: float | None = None) -> Any:
        """All that psycopg waits for, once it is connected, it waits for here."""
        if self.server is None:
            return super().wait(gen, interval, timeout)
        try:
            self.server.refuse_while_silent()
        except OperationalError:
            self.pgconn.finish()  # whoever has it would have to be told to roll back, and nobody listens
            raise
        return super().wait(self._watched(gen, self.server), interval, timeout)

    def _watched(self, statement: PQGen[Any], server: "Server") -> Generator[Any, Any, Any]:
        started = monotonic()
        look_at, is_lost = started + ASK_AFTER, False
        try:
            wanted = next(statement)
            while True:
                ready = yield wanted
                if ready == Ready.NONE:
                    if is_lost or server.is_silent or monotonic() - started > self.longest:
                        raise self._given_up()
                    if monotonic() > look_at:
                        is_lost = server.has_nothing_to_do_for(self)  # unless the answer comes at this moment
                        look_at = monotonic() + ASK_AFTER
                wanted = statement.send(ready)
        except StopIteration as end:
            return end.value

    def _given_up(self) -> OperationalError:
        self.pgconn.finish()  # what may still come on it would be taken for the answer to another question
        return OperationalError("the database did not answer in time")


class Server:
    """What one process knows of the server, for all its connections."""

    def __init__(self) -> None:
        self._asking = Lock()
        self._asked_at = inf
        self._ask_again_at = 0.0
        self._is_silent = False
        self._parameters: dict[str, Any] = {}

    @property
    def is_silent(self) -> bool:
        """Whether it has not answered, be it that the question itself hangs."""
        return self._is_silent or monotonic() - self._asked_at > CONNECT_SECONDS + ANSWER_SECONDS

    def connect(self, parameters: dict[str, Any], *, longest: float) -> FailFastConnection:
        """`parameters` are psycopg's."""
        self._parameters = parameters
        self.refuse_while_silent()
        try:
            connection = FailFastConnection.connect(**parameters)
        except ConnectionTimeout:
            self._ask_again_at = monotonic() + ASK_AGAIN
            self._note(is_silent=True)
            raise
        connection.server, connection.longest = self, longest
        return connection

    def refuse_while_silent(self) -> None:
        """Raise while the server is known not to answer. Every now and then one client asks it again."""
        if self.is_silent and (monotonic() < self._ask_again_at or self._state_of(0) is None):
            raise OperationalError("the database does not answer")

    def has_nothing_to_do_for(self, connection: FailFastConnection) -> bool:
        """Whether the server answers, and does nothing for the connection: the question or its answer was lost."""
        return (self._state_of(connection.pgconn.backend_pid) or "").startswith("idle")

    def _state_of(self, process_id: int) -> str | None:
        """What a process of the server does, empty when that is unknown; None when nobody answers, or another asks."""
        if not self._asking.acquire(blocking=False):
            return None
        try:
            self._asked_at = monotonic()
            state = _ask(self._parameters, process_id)
        finally:
            self._asked_at, self._ask_again_at = inf, monotonic() + ASK_AGAIN
            self._asking.release()
        self._note(is_silent=state is None)
        return state

    def _note(self, *, is_silent: bool) -> None:
        if is_silent != self._is_silent:
            self._is_silent = is_silent
            log.warning("the database does not answer" if is_silent else "the database answers again")


class _Question(Connection[Any]):
    def wait(self, gen: PQGen[Any], interval: float = _NOTHING_CAME, _timeout: float | None = None) -> Any:
        return super().wait(gen, interval, ANSWER_SECONDS)


def _ask(parameters: dict[str, Any], process_id: int) -> str | None:
    """What a process of the server does, empty when that is unknown; None when the server does not answer.

    Behind a pooler nothing is known of processes: those that it names are its own.
    """
    limits = {"autocommit": True, "connect_timeout": CONNECT_SECONDS, "prepare_threshold": None}
    try:
        connection = _Question.connect(**parameters | limits)
    except Error as error:
        return "" if "FATAL:" in str(error) else None  # for it has too many connections, and says so
    try:
        row = connection.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", [process_id]).fetchone()
        return (row and row[0]) or ""
    except Error:
        return None
    finally:
        connection.close()
