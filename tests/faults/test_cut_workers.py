"""A worker that is cut off from its database, its broker, or both: it goes on, or ends in time when it is asked to."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from itertools import count
from pathlib import Path
from time import sleep
from typing import Self
from uuid import UUID

import pytest
from e2e.jobs import endless
from e2e.processes import Program, module, until
from e2e.services import Broker
from integration import workbench
from integration.workbench import Migrated
from sqlalchemy import URL, make_url

from faults import work
from faults.proxy import Proxy
from faults.work import Json
from service.store import workers
from service.store.database import Database
from service.store.jobs import bells

OUTER_SECONDS = 8.0
"""After which the supervisor kills a worker that it has asked to end."""


class Cables:
    """A worker, and what it is connected with through proxies. The test itself uses the database without one."""

    def __init__(self, folder: Path, broker_socket: Path, database: AbstractContextManager[str]) -> None:
        self._folder = folder
        self._socket = broker_socket
        self._stack = ExitStack()
        self._url = make_url(self._stack.enter_context(database))
        self.broker = Broker(folder, broker_socket)
        self.database = Database(self._url.render_as_string(hide_password=False))

    def __enter__(self) -> Self:
        self._stack.callback(self.database.dispose)
        self.broker.start()
        self._stack.callback(self.broker.stop)
        self.to_broker = self._stack.enter_context(Proxy(str(self._socket)))
        self.to_database = self._stack.enter_context(Proxy(_socket_of(self._url)))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_worker(self, **settings: str) -> Program:
        """A worker of one slot, which is not ready yet."""
        url = self._url.set(host="127.0.0.1", port=self.to_database.port, query={})
        surroundings = {
            "SLOPE_DATABASE_URL": url.render_as_string(hide_password=False),
            "SLOPE_BROKER_URL": f"redis://127.0.0.1:{self.to_broker.port}/0",
            "SLOPE_STORAGE_URL": os.environ["SLOPE_STORAGE_URL"],
        }
        return self._stack.enter_context(module(self._folder, "worker", "1", environment=surroundings | settings))

    def submit(self, wanted: Json) -> UUID:
        """A job whose bell is not rung: a worker finds it."""
        job_id = workbench.submit(self.database, wanted)
        workbench.change(self.database, lambda session: bells.note_ring(session, [job_id], heard=False))
        return job_id

    def underway(self) -> UUID:
        """A job without an end that has recorded something."""
        job_id = self.submit(endless())
        until(lambda: work.recorded(self.database, job_id))
        return job_id

    def mend(self) -> None:
        """Put everything back as it was."""
        self.to_database.let_go()
        self.to_broker.let_go()
        self.broker.stop()
        self.broker.start()

    def cut(self, what: str) -> None:
        match what:
            case "broker refuses":
                self.broker.stop()
            case "broker is silent":
                self.to_broker.hold()
            case "database is silent":
                self.to_database.hold()
            case "both are silent":
                self.to_broker.hold()
                self.to_database.hold()


def _socket_of(url: URL) -> str | tuple[str, int]:
    folder = url.query.get("host")
    return f"{folder}/.s.PGSQL.{url.port or 5432}" if folder else (url.host or "127.0.0.1", url.port or 5432)


Lay = Callable[[], Cables]


@pytest.fixture(scope="module")
def lay(tmp_path_factory: pytest.TempPathFactory, server_folder: Path, migrated: Migrated) -> Lay:
    """Makes cables without a worker, to be entered."""
    numbers = count()

    def lay() -> Cables:
        folder, socket_path = tmp_path_factory.mktemp("cables"), server_folder / f"cables{next(numbers)}.sock"
        return Cables(folder, socket_path, migrated("postgresql"))

    return lay


@pytest.fixture
def cables(lay: Lay) -> Iterator[Cables]:
    """Without a worker."""
    with lay() as cables:
        yield cables


class Ahead:
    """Starts the next worker while a test waits for what happens to its own."""

    def __init__(self, lay: Lay) -> None:
        self._lay = lay
        self._next = self._start()

    def take(self) -> tuple[Cables, Program]:
        (cables, worker), self._next = self._next, self._start()
        worker.until_logged("worker ready")
        return cables, worker

    def close(self) -> None:
        self._next[0].__exit__()

    def _start(self) -> tuple[Cables, Program]:
        cables = self._lay().__enter__()
        return cables, cables.start_worker()


@pytest.fixture(scope="module")
def _ahead(lay: Lay) -> Iterator[Ahead]:
    ahead = Ahead(lay)
    yield ahead
    ahead.close()


@pytest.fixture
def connected(_ahead: Ahead) -> Iterator[tuple[Cables, Program]]:
    """With a worker that is ready."""
    cables, worker = _ahead.take()
    yield cables, worker
    cables.__exit__()


@pytest.mark.parametrize("cut", ["broker refuses", "broker is silent"])
@pytest.mark.parametrize("has_noticed", [False, True])
def test_a_worker_without_a_broker_puts_its_job_back_and_ends_in_time(
    connected: tuple[Cables, Program], cut: str, has_noticed: bool
) -> None:
    cables, worker = connected
    job_id = cables.underway()
    cables.cut(cut)
    if has_noticed:
        until(lambda: hears_broker(cables.database) == [False])

    ends_in_time(worker)

    job = work.row(cables.database, job_id)
    assert (job.status, job.crashes) == ("queued", 0)
    assert hears_broker(cables.database) == [], "it has signed off"


@pytest.mark.parametrize("cut", ["database is silent", "both are silent"])
def test_a_worker_without_a_database_ends_in_time(connected: tuple[Cables, Program], cut: str) -> None:
    cables, worker = connected
    job_id = cables.underway()
    cables.cut(cut)
    sleep(1.0)  # until flush, beat, and the reaper's round all wait for an answer

    ends_in_time(worker)

    assert work.row(cables.database, job_id).crashes == 0


@pytest.mark.parametrize("cut", ["broker refuses", "broker is silent"])
def test_a_worker_without_a_broker_trains_what_is_queued_and_goes_by_the_bell_again_afterwards(
    cables: Cables, cut: str
) -> None:
    worker = cables.start_worker()
    worker.until_logged("worker ready")
    cables.cut(cut)
    queued = [cables.submit(work.small()) for _ in range(6)]

    until(lambda: all(work.row(cables.database, job_id).status == "succeeded" for job_id in queued))
    until(lambda: hears_broker(cables.database) == [False])  # jobs may all be claimed before it is noticed

    cables.mend()
    until(lambda: hears_broker(cables.database) == [True])
    later = cables.submit(work.small())
    until(lambda: work.row(cables.database, later).status == "succeeded")
    assert {work.row(cables.database, job_id).crashes for job_id in (*queued, later)} == {0}
    assert worker.end() == 0


def test_a_worker_without_a_broker_puts_back_what_it_has_found_itself(connected: tuple[Cables, Program]) -> None:
    cables, worker = connected
    cables.cut("broker refuses")
    job_id = cables.underway()

    ends_in_time(worker)

    assert (work.row(cables.database, job_id).status, work.row(cables.database, job_id).crashes) == ("queued", 0)


def test_a_worker_that_is_started_without_a_broker_trains_what_is_queued(cables: Cables) -> None:
    cables.cut("broker refuses")
    queued = cables.submit(work.small())
    worker = cables.start_worker()

    until(lambda: work.row(cables.database, queued).status == "succeeded")
    ends_in_time(worker)


def test_a_worker_that_was_cut_off_from_its_database_goes_on_where_it_was(cables: Cables) -> None:
    """Three times for longer than its lease. Its own reaper is the only one there is, and was cut off as well."""
    cables.start_worker(SLOPE_LEASE_SECONDS="2.5")
    job_id = cables.underway()
    for _ in range(3):
        cables.cut("database is silent")
        sleep(3.6)
        done = work.recorded(cables.database, job_id)
        cables.to_database.let_go()
        until(lambda done=done: work.recorded(cables.database, job_id) > done)

    job = work.row(cables.database, job_id)
    assert (job.status, job.attempt, job.crashes) == ("running", 1, 0)


def test_a_job_over_a_long_line_to_the_database_leaves_the_records_of_a_short_one(
    connected: tuple[Cables, Program],
) -> None:
    cables, _ = connected
    near = cables.submit(work.detailed())
    until(lambda: work.row(cables.database, near).status == "succeeded")
    expected = work.Remains.of(cables.database, near)
    cables.to_database.delay = 0.05

    far = cables.submit(work.detailed())
    until(lambda: work.row(cables.database, far).status == "succeeded")

    assert work.damage(cables.database, far, expected) == work.Damage()
    assert work.row(cables.database, far).attempt == 1


def ends_in_time(worker: Program) -> None:
    """Ask a worker to end. It does, and takes its children along, before it would be killed."""
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(OUTER_SECONDS) == 0
    until(lambda: not worker.family())


def hears_broker(database: Database) -> list[bool]:
    """What the living workers say."""
    with database.reading() as session:
        return [worker.hears_broker for worker, alive in workers.list_workers(session) if alive]
