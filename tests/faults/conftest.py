"""What the tests of faults share: one service with short leases, and a process that trains in this one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import _pgserver
from integration.workbench import FakeQueue
from uuid_utils.compat import uuid7

from faults import soak
from faults.postgres import OwnPostgreSQL
from faults.stage import Stage
from service.settings import Settings
from service.store.database import Database
from worker.devices import Device
from worker.process import Process

torch.set_num_threads(1)  # as the worker has it: with more of them torch may add in another order

QUICK = {"SLOPE_LEASE_SECONDS": "4.0", "SLOPE_REAP_SECONDS": "0.5"} | soak.SETTINGS
"""So that every kind of fault has its turn; `make test-faults` keeps the defaults, and measures.

A healthy worker that gets no processor for as long as a lease loses its job, and the tests find that it did.
"""


@pytest.fixture(scope="package")
def own_postgresql(server_folder: Path) -> Iterator[OwnPostgreSQL]:
    """A server that no other test uses: it is restarted the hard way."""
    with OwnPostgreSQL(server_folder / "faults", _pgserver(server_folder)) as server:
        yield server


@pytest.fixture(scope="package")
def _stage(
    tmp_path_factory: pytest.TempPathFactory, server_folder: Path, own_postgresql: OwnPostgreSQL
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("faults")
    socket_path = server_folder / "faults.sock"
    with Stage(folder, socket_path, postgresql=own_postgresql, workers=2, settings=QUICK) as stage:
        yield stage


@pytest.fixture
def stage(_stage: Stage) -> Stage:
    """An API and two workers on PostgreSQL and Valkey, all of them alive."""
    _stage.settle()
    return _stage


@pytest.fixture
def process(settings: Settings, database: Database, queue: FakeQueue) -> Process:
    """What a worker's process would hold."""
    return Process(settings, database, [Device("cpu", "the test's")], uuid7(), queue)


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue()
