"""Sessions, each a transaction on one of two databases, and what they know: whose they are, and what time it is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import copy
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from cachetools import LRUCache
from sqlalchemy import Connection, event, func, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from service.store.connections import postgresql, sqlite
from service.store.connections.failures import translated
from service.store.connections.ownership import OWNER, engine_of_owner, rule_by_owner

Arguments = ParamSpec("Arguments")
Seen = TypeVar("Seen")

_TURN_SECONDS = 4.0
"""Seconds of waiting to write that a database which fails fast allows."""
_QUERY_SECONDS = 2.0
"""A small query that takes longer counts as lost, where the database fails fast."""
_SILENT = "5s"
"""PostgreSQL ends a writer that is silent for this long: its host may be gone while its locks remain."""
_MOST_VIEWS = 1000


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise an error of the service for what SQLAlchemy and the drivers raise in the block."""
    try:
        yield
    except SQLAlchemyError as error:
        raise translated(error) from error


class Database:
    """Sessions for reading and for writing, which on PostgreSQL come from one pool, and small queries by themselves.

    What fails leaves `reading`, `writing` and `query` as an error of the service: see `translated_errors`.
    """

    def __init__(self, url: str, *, worker_id: UUID | None = None, fails_fast: bool = False) -> None:
        """`worker_id` names its connections on PostgreSQL, so that those of a lost worker can be found.

        `fails_fast`: raise within 5 s rather than wait for a database that does not answer.
        """
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._fails_fast = fails_fast
        self.owner = ""
        """To whom belongs what is made in it: see `of_owner`."""
        self._base: Database | None = None
        self._views: LRUCache[tuple[str, bool], Database] = LRUCache(_MOST_VIEWS)
        if self.is_sqlite:
            turn = _TURN_SECONDS if fails_fast else sqlite.BUSY_TIMEOUT
            open_file = partial(sqlite.sqlite_engine, self.url, turn_seconds=turn, pool_seconds=self._pool_seconds)
            self.writer = open_file(sqlite.WriteTurns(turn).begin if fails_fast else sqlite.begin_writing)
            self.reader = open_file(sqlite.begin_reading, query_only=True)
            self._query_engine = open_file(None, query_only=True)
        else:
            server = postgresql.Server() if fails_fast else None
            engine = partial(
                postgresql.postgresql_engine,
                self.url,
                worker_id=worker_id,
                server=server,
                pool_seconds=self._pool_seconds,
            )
            self.writer = postgresql.begin_by_option(engine(pool_size=20, max_overflow=20))
            self.reader = self.writer.execution_options(**postgresql.READING)
            self._query_engine = engine(
                longest=_QUERY_SECONDS, isolation_level="AUTOCOMMIT", pool_size=5, max_overflow=5
            )

    @contextmanager
    def reading(self, *, longest: float | None = None) -> Iterator[Session]:
        """A session whose reads see one moment of the database. It cannot write.

        With `longest`, raises SearchTooLong where a statement takes more seconds.
        """
        with translated_errors(), Session(self.reader, expire_on_commit=False) as session:
            with nullcontext() if longest is None else _no_longer_than(session, longest):
                yield session
            session.commit()  # of nothing: psycopg forgets what it has prepared when a transaction is rolled back

    @translated_errors()
    def query(
        self,
        statement: Callable[Concatenate[Connection, Arguments], Seen],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Seen:
        """Ask one small query outside a transaction: the database is asked once, not four times.

        Whether a pooled connection has been lost is seen by the query itself, which is then asked again on a new one.
        """
        try:
            with self._query_engine.connect() as connection:
                return statement(connection, *arguments, **named)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        with self._query_engine.connect() as connection:
            return statement(connection, *arguments, **named)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session to write with; what is not committed is rolled back.

        Rows that its UPDATEs change are not looked for among the objects it holds: that takes as long as the UPDATE.
        """
        options = {"synchronize_session": False}
        with translated_errors(), Session(self.writer, expire_on_commit=False, execution_options=options) as session:
            # Wait for our turn now: a moment read before it is past when it is written.
            if self.is_sqlite:
                session.connection()
            else:
                turn = f"{_TURN_SECONDS}s" if self._fails_fast else "0"
                begin = postgresql.writing(silence=_SILENT, turn=turn)
                session.info["now"] = postgresql.began_at(session.connection(execution_options=begin))
            yield session

    @property
    def whole(self) -> "Database":
        """The one of which this is an owner's view."""
        return self._base or self

    def of_owner(self, owner: str, *, sees_all: bool) -> "Database":
        """The same database for somebody: what is made there is the owner's, and nothing else is there to be seen.

        With `sees_all`, everything is.
        """
        if sees_all and not owner:
            return self.whole
        if (found := self._views.get((owner, sees_all))) is None:
            found = self._views[owner, sees_all] = self._view(owner, sees_all=sees_all)
        return found

    def _view(self, owner: str, *, sees_all: bool) -> "Database":
        view = copy(self.whole)
        view._base, view.owner = self.whole, owner
        rule = (lambda engine: engine) if sees_all else rule_by_owner
        view.writer = engine_of_owner(rule(view.writer), owner)
        view.reader = engine_of_owner(rule(view.reader), owner)
        view._query_engine = engine_of_owner(rule(view._query_engine), owner)
        return view

    def dispose(self, *, close: bool = True) -> None:
        """Drop the pooled connections; with close=False those of a parent process are left alone."""
        self.writer.dispose(close=close)
        self.reader.dispose(close=close)
        self._query_engine.dispose(close=close)

    @property
    def connections(self) -> tuple[int, int]:
        """How many are in use, and how many may be."""
        pools = [each.pool for each in dict.fromkeys((self.writer, self.reader, self._query_engine))]
        queues = list({id(pool): pool for pool in pools if isinstance(pool, QueuePool)}.values())
        return sum(each.checkedout() for each in queues), sum(each.size() + each._max_overflow for each in queues)

    @property
    def _pool_seconds(self) -> float:
        """How long a connection that is free is waited for."""
        return 2.0 if self._fails_fast else 30.0


DatabaseConnection = Connection
"""What `Database.query` gives to a query. The rest of the house knows it by this name, and has none of SQLAlchemy's."""


def session_on(connection: DatabaseConnection) -> Session:
    """For objects of small queries that are asked outside a transaction. Each sees a moment of its own."""
    return Session(connection, expire_on_commit=False)


@contextmanager
def _no_longer_than(session: Session, seconds: float) -> Iterator[None]:
    if session.get_bind().dialect.name == "sqlite":
        with sqlite.interrupted_after(session.connection(), seconds):
            yield
        return
    session.execute(text(f"SET LOCAL statement_timeout = {max(1, round(1000 * seconds))}"))
    yield


def before_commit(session: Session, act: Callable[[], None]) -> None:
    """Let something be done when the session is about to commit for the first time."""
    event.listen(session, "before_commit", lambda _session: act(), once=True)


def owner_of(session: Session) -> str:
    """To whom belongs what is made in a session."""
    owner: str | None = session.info.get(OWNER)
    return session.get_bind().get_execution_options().get(OWNER, "") if owner is None else owner


def act_for(session: Session, owner: str) -> None:
    """Let what is made in a session from now on belong to an owner."""
    session.info[OWNER] = owner


def now(session: Session) -> datetime:
    """The database's clock, which all processes share. SQLite lives on one host, and has that host's.

    On PostgreSQL a session that writes has one moment, its begin.
    """
    if session.get_bind().dialect.name == "sqlite":
        return datetime.now(UTC)
    moment: datetime = session.info.get("now") or session.execute(text("SELECT clock_timestamp()")).scalar_one()
    return moment


def later(session: Session | Connection, seconds: float) -> Any:
    """The moment this many seconds after the statement runs, however long its transaction has lasted by then."""
    span, bind = timedelta(seconds=seconds), session.get_bind() if isinstance(session, Session) else session
    return datetime.now(UTC) + span if bind.dialect.name == "sqlite" else func.clock_timestamp() + span
