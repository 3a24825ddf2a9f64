"""The services that most of these tests share. Tests that break something wait until it works again."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e2e.processes import until
from e2e.services import Broker, Cluster, Serve
from service.store import schema
from service.store.database import Database
from slope.client import Client

if TYPE_CHECKING:
    from conftest import PostgreSQL


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("services")


@pytest.fixture(scope="session")
def _cluster(folder: Path, postgresql: "PostgreSQL", server_folder: Path) -> Iterator[Cluster]:
    with postgresql.database() as url:
        database = Database(url.render_as_string(hide_password=False))
        schema.upgrade_schema(database)
        database.dispose()
        broker = Broker(folder, server_folder / "e2e.sock")
        with Cluster(folder, url.render_as_string(hide_password=False), broker) as cluster:
            yield cluster.start(workers=2)


@pytest.fixture
def cluster(_cluster: Cluster) -> Iterator[Cluster]:
    """An API and two workers of one slot each, on PostgreSQL."""
    yield _cluster
    until(lambda: _cluster.is_ready)


@pytest.fixture(scope="session")
def _serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    with Serve(tmp_path_factory.mktemp("serve")) as serve:
        yield serve


@pytest.fixture
def serve(_serve: Serve) -> Serve:
    """`slope serve` on SQLite, running and ready."""
    return _serve.start()


@pytest.fixture
def client(cluster: Cluster) -> Iterator[Client]:
    with cluster.client as client:
        yield client
