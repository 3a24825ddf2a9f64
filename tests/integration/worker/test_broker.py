"""A worker that hears no bells says so, and trains what it finds in SQL; with its broker it goes by the bell again."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread

import pytest
from workbench import LECTURE, FakeQueue, jobs_of, read, request, submit, submit_sweep

from service.store import workers
from service.store.database import Database
from worker.process import Process
from worker.upkeep.broker_monitor import BrokerMonitor
from worker.upkeep.poller import JobPoller
from worker.upkeep.reaper import Reaper

SWEEP = request() | {"grid": {"learning_rate": [0.01, 0.02, 0.03]}}
CHILD = """
import signal
signal.signal(signal.SIGURG, lambda *_: print("called", flush=True))
print("listens", flush=True)
input()
"""


class Connected:
    """Whether a worker's consumer has a connection."""

    def __init__(self) -> None:
        self.now = True

    def __call__(self) -> bool:
        return self.now


@pytest.fixture
def connected() -> Connected:
    return Connected()


@pytest.fixture
def monitor(process: Process, connected: Connected) -> BrokerMonitor:
    return BrokerMonitor(process, connected)


def says_it_hears(monitor: BrokerMonitor, process: Process) -> bool:
    """What stands in SQL after the worker's next sign of life."""
    Reaper(process, 1, monitor).run_once()
    with process.database.reading() as session:
        [(worker, _)] = workers.list_workers(session)
    return worker.hears_broker


@contextmanager
def training_process() -> Iterator[subprocess.Popen[str]]:
    """A child that tells when it is called."""
    command = [sys.executable, "-c", CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        child.stdout.readline()  # it hears from now on
        yield child


def heard_by(child: subprocess.Popen[str]) -> str:
    """All that it told until its end."""
    return child.communicate("\n")[0]


def test_a_worker_with_a_broker_hears_and_calls_nobody(monitor: BrokerMonitor, process: Process) -> None:
    with training_process() as child:
        for _ in range(3):
            monitor.run_once()
        assert says_it_hears(monitor, process)
        assert heard_by(child) == ""


@pytest.mark.parametrize("is_up", [False, True], ids=["broker away", "consumer without a connection"])
def test_a_worker_that_hears_no_bells_says_so_and_calls_its_children(
    monitor: BrokerMonitor, process: Process, queue: FakeQueue, connected: Connected, is_up: bool
) -> None:
    queue.is_up, connected.now = is_up, False

    with training_process() as child:
        monitor.run_once()
        assert says_it_hears(monitor, process), "one miss is none"
        monitor.run_once()
        assert not says_it_hears(monitor, process)
        assert heard_by(child) == "called\n"


def test_a_worker_whose_broker_is_back_hears_again(
    monitor: BrokerMonitor, process: Process, queue: FakeQueue, connected: Connected
) -> None:
    queue.is_up = connected.now = False
    for _ in range(5):
        monitor.run_once()
    queue.is_up = connected.now = True
    monitor.run_once()
    assert says_it_hears(monitor, process)


def test_a_child_that_does_not_listen_yet_survives_a_call(monitor: BrokerMonitor, connected: Connected) -> None:
    connected.now = False
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        for _ in range(3):
            monitor.run_once()
        child.communicate(b"\n")
        assert child.returncode == 0


def test_who_looks_trains_all_that_is_queued_one_after_the_other(process: Process, database: Database) -> None:
    alone = [submit(database, LECTURE) for _ in range(3)]
    elsewhere = submit(database, LECTURE | {"device": "cuda:3"})
    sweep = submit_sweep(database, SWEEP)
    # A batch gives nothing back, however slow the machine is.
    patient = process.settings.model_copy(update={"reap_seconds": 1000.0, "flush_seconds": 100.0})

    JobPoller(replace(process, settings=patient)).poll()

    trained = [read(database, job_id) for job_id in alone] + jobs_of(database, sweep)
    assert [(job.status, job.attempt) for job in trained] == len(trained) * [("succeeded", 1)]
    assert read(database, elsewhere).status == "queued"


def test_who_looks_waits_for_its_turn(process: Process, database: Database) -> None:
    job_id = submit(database, LECTURE)
    looking = Thread(target=JobPoller(process).poll)

    with process.training_lock:
        looking.start()
        looking.join(0.2)
        assert read(database, job_id).status == "queued", "the process trains another"
    looking.join()

    assert read(database, job_id).status == "succeeded"


def test_who_leaves_takes_no_job(process: Process, database: Database) -> None:
    job_id = submit(database, LECTURE)
    process.stopping.set()

    JobPoller(process).poll()

    assert read(database, job_id).attempt == 0
