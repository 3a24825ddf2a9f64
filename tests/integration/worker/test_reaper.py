"""What got lost is found: jobs of dead workers and dead processes, and bells that nobody heard."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from math import ceil, inf
from threading import Event, Semaphore
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as bounded
from hypothesis import strategies as st
from sqlalchemy import delete, update
from workbench import FakeQueue, abandoned, change, claim, claimed, expired, read, request, submit

from service.settings import Settings
from service.store import workers
from service.store.database import Database, now
from service.store.jobs import bells
from service.store.leases import lost_leases
from service.store.leases.leases import JobLease
from service.store.tables import Job, Worker
from service.upkeep import lost_jobs
from worker.process import Process
from worker.upkeep.broker_monitor import BrokerMonitor
from worker.upkeep.reaper import Reaper


class Watch:
    """A worker's reaper and its monitor, one after the other instead of side by side."""

    def __init__(self, process: Process, slots: int = 1) -> None:
        self.monitor = BrokerMonitor(process, lambda: True)
        self.reaper = Reaper(process, slots, self.monitor)

    def run_once(self) -> None:
        self.reaper.run_once()
        self.monitor.run_once()


class Clock:
    """The monotonic clock of a host, to be put forward."""

    def __init__(self) -> None:
        self.moment = 1000.0

    def __call__(self) -> float:
        return self.moment


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(lost_jobs, "monotonic", clock)
    return clock


@pytest.fixture
def reaper(process: Process, queue: FakeQueue, clock: Clock) -> Watch:
    """For whom no time passes, however slow this machine is."""
    return Watch(process, slots=3)


@pytest.fixture
def child() -> Iterator[int]:
    """The id of a living child of this process."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as started:
        yield started.pid
        started.communicate(b"\n")


def long_silent(database: Database) -> None:
    """Let every bell have been rung long ago."""
    with database.reading() as session:
        ago = now(session) - timedelta(hours=1)
    change(database, lambda session: session.execute(update(Job).values(rung_at=ago)))


def live_workers(database: Database) -> list[tuple[int, int, list[str]]]:
    with database.reading() as session:
        living = [each for each, alive in workers.list_workers(session) if alive]
    return [(each.process_id, each.slots, [device["name"] for device in each.devices]) for each in living]


def test_a_round_registers_the_worker_and_keeps_it_alive(reaper: Watch, database: Database) -> None:
    for _ in range(2):
        reaper.run_once()
        assert live_workers(database) == [(os.getpid(), 3, ["cpu"])]


def test_a_worker_whose_row_was_lost_registers_again(reaper: Watch, database: Database) -> None:
    reaper.run_once()
    change(database, lambda session: session.execute(delete(Worker)))

    reaper.run_once()

    assert len(live_workers(database)) == 1


def test_a_job_of_a_dead_process_of_this_worker_is_taken_up_at_once(
    reaper: Watch, process: Process, queue: FakeQueue, database: Database
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    job_id = submit(database)
    assert claim(database, job_id, worker_id=process.worker_id, process_id=dead.pid, lease_seconds=3600)

    reaper.run_once()

    job = read(database, job_id)
    assert (job.status, job.crashes) == ("queued", 1)
    assert queue.rung == [(job_id, "auto")]


def test_a_job_of_a_living_process_is_left_alone(
    reaper: Watch, process: Process, queue: FakeQueue, database: Database, child: int
) -> None:
    job_id = submit(database)
    assert claim(database, job_id, worker_id=process.worker_id, process_id=child, lease_seconds=3600)

    reaper.run_once()

    assert read(database, job_id).status == "running"
    assert queue.rung == []


def test_a_job_of_another_worker_is_left_alone_until_its_lease_expires(
    reaper: Watch, queue: FakeQueue, database: Database
) -> None:
    running, expired = claimed(database, lease_seconds=3600), claimed(database, lease_seconds=-1)

    reaper.run_once()

    assert read(database, running.job_id).status == "running"
    assert read(database, expired.job_id).status == "queued"
    assert queue.rung == [(expired.job_id, "auto")]


def test_a_job_that_died_too_often_is_given_up_and_not_rung_for(
    reaper: Watch, queue: FakeQueue, database: Database, process: Process
) -> None:
    job_id = submit(database)
    for _ in range(process.settings.max_crashes):
        assert claim(database, job_id, lease_seconds=-1)
        queue.rung.clear()
        reaper.run_once()

    assert (read(database, job_id).status, read(database, job_id).error_code) == ("failed", "worker_lost")
    assert queue.rung == []


def test_a_bell_that_was_never_rung_is_rung(reaper: Watch, queue: FakeQueue, database: Database) -> None:
    job_id = submit(database, request() | {"device": "cuda"})
    change(database, lambda session: bells.note_ring(session, [job_id], heard=False))

    reaper.run_once()
    reaper.run_once()

    assert queue.rung == [(job_id, "cuda")], "once: the second round knows of the first"


def test_a_bell_that_is_still_in_its_queue_is_not_rung_again(
    reaper: Watch, queue: FakeQueue, database: Database
) -> None:
    job_id = submit(database)
    queue.ring(job_id, "auto")
    long_silent(database)

    reaper.run_once()

    assert queue.rung == [(job_id, "auto")]


def test_a_bell_that_is_in_no_queue_any_more_is_rung_again(reaper: Watch, queue: FakeQueue, database: Database) -> None:
    older, newer = submit(database), submit(database)
    long_silent(database)

    reaper.run_once()

    assert queue.rung == [(older, "auto"), (newer, "auto")]
    reaper.run_once()
    assert len(queue.rung) == 2


def test_a_bell_that_was_rung_just_now_is_waited_for(reaper: Watch, queue: FakeQueue, database: Database) -> None:
    submit(database)

    reaper.run_once()

    assert queue.rung == []


def test_a_broker_that_is_down_is_tried_again_in_the_next_round(
    reaper: Watch, queue: FakeQueue, database: Database
) -> None:
    job_id = submit(database)
    change(database, lambda session: bells.note_ring(session, [job_id], heard=False))
    queue.is_up = False
    reaper.run_once()
    queue.is_up, queue.rung = True, []

    reaper.run_once()

    assert queue.rung == [(job_id, "auto")]


LEASE = Settings().lease_seconds
FROZEN = 8.5
"""Seconds for which the database answered nobody."""


def look_for_a_lease(reapers: list[Watch], clock: Clock) -> None:
    """Rounds of them all, one a second, until one more would be the first after a lease of good contact."""
    for _ in range(ceil(LEASE)):
        for reaper in reapers:
            reaper.run_once()
        clock.moment += 1.0


@pytest.fixture
def reapers(process: Process, queue: FakeQueue, clock: Clock) -> list[Watch]:
    """Three that have looked around before."""
    found = [Watch(replace(process, worker_id=uuid4())) for _ in range(3)]
    look_for_a_lease(found, clock)
    return found


def test_reapers_whose_database_was_away_leave_a_worker_its_job_that_was_away_from_it_as_well(
    reapers: list[Watch], clock: Clock, database: Database, process: Process
) -> None:
    mine = claimed(database, lease_seconds=-1)
    clock.moment += FROZEN

    for reaper in reapers:
        reaper.run_once()
    assert read(database, mine.job_id).status == "running"

    change(database, lambda session: mine.beat(session, LEASE))
    look_for_a_lease(reapers, clock)
    for reaper in reapers:
        reaper.run_once()
    assert (read(database, mine.job_id).status, read(database, mine.job_id).crashes) == ("running", 0)


def test_reapers_whose_database_was_away_take_a_job_whose_worker_stays_away(
    reapers: list[Watch], clock: Clock, database: Database
) -> None:
    mine = claimed(database, lease_seconds=-1)
    clock.moment += FROZEN

    look_for_a_lease(reapers, clock)
    assert read(database, mine.job_id).status == "running"
    for reaper in reapers:
        reaper.run_once()
    assert (read(database, mine.job_id).status, read(database, mine.job_id).crashes) == ("queued", 1)


def test_a_reaper_that_got_an_error_for_an_answer_waits_a_lease_before_it_takes_a_job(
    process: Process, queue: FakeQueue, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried = replace(process, settings=process.settings.model_copy(update={"reap_seconds": 0.01}))
    watch, rounds, mine = Watch(hurried), Semaphore(0), claimed(database, lease_seconds=-1)
    reaper = watch.reaper
    look = reaper.run_once

    def run_once(failures: list[Exception]) -> None:
        rounds.release()
        if failures:
            raise failures.pop()
        look()

    monkeypatch.setattr(reaper, "run_once", partial(run_once, [ConnectionError("for the test")]))
    reaper.start()
    assert all(rounds.acquire(timeout=30) for _ in range(5))
    reaper.stop(30)
    assert read(database, mine.job_id).status == "running"

    clock.moment += 1
    look_for_a_lease([watch], clock)
    reaper.run_once()
    assert read(database, mine.job_id).status == "queued"


def test_a_reaper_whose_contact_breaks_while_it_takes_jobs_takes_no_more(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact = lost_jobs.Contact(LEASE, is_trusted=True)
    lost = {claimed(database, lease_seconds=-1).job_id for _ in range(2)}
    end = lost_leases.end_transactions

    def slowly(*arguments: Any) -> None:
        clock.moment += FROZEN
        end(*arguments)

    monkeypatch.setattr(lost_leases, "end_transactions", slowly)

    [taken] = lost_jobs.release_expired(database, contact, max_crashes=3)
    [left] = lost - {taken}
    assert read(database, left).status == "running"


def test_a_job_of_a_dead_process_is_taken_up_at_once_whatever_the_database_did(
    reaper: Watch, process: Process, database: Database, clock: Clock
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    job_id = submit(database)
    assert claim(database, job_id, worker_id=process.worker_id, process_id=dead.pid, lease_seconds=3600)
    clock.moment += FROZEN

    reaper.run_once()

    assert read(database, job_id).status == "queued"


@bounded(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 10)), max_size=30), st.booleans())
def test_others_are_judged_after_a_whole_lease_of_answers_that_came_in_time(
    clock: Clock, answers: list[tuple[bool, int]], is_trusted: bool
) -> None:
    contact = lost_jobs.Contact(LEASE, is_trusted=is_trusted)
    unbroken, was_lost, is_first = inf if is_trusted else 0.0, not is_trusted, True
    for comes, after in answers:
        clock.moment += after
        if comes:
            contact.note_answer()
            is_late = after > LEASE / 2 and not is_first
            unbroken = 0.0 if was_lost or is_late else unbroken + after
            assert contact.is_unbroken == (unbroken >= LEASE)
        else:
            contact.lose()
        was_lost, is_first = not comes, False


def test_releasing_says_which_jobs_were_taken(database: Database) -> None:
    lost, other = claimed(database, lease_seconds=-1), claimed(database)

    assert [held.lease for held in expired(database)] == [lost]
    assert lost_jobs.release_jobs(database, expired(database), max_crashes=3) == [lost.job_id]
    assert lost_jobs.release_jobs(database, [abandoned(lost), abandoned(other)], max_crashes=3) == [other.job_id]
    assert lost_jobs.release_jobs(database, [abandoned(JobLease(uuid4(), 1, uuid4()))], max_crashes=3) == []


def test_a_worker_looks_for_lost_bells_until_it_is_stopped_whatever_goes_wrong(
    process: Process, queue: FakeQueue, database: Database
) -> None:
    """The first round fails in an unforeseen way; a later one still finds the job."""
    rounds, found = [], Event()
    job_id = submit(database)
    change(database, lambda session: bells.note_ring(session, [job_id], heard=False))

    def fail_once(_: object) -> None:
        rounds.append(1)
        if len(rounds) == 1:
            raise RuntimeError("for the test")
        found.set()

    queue.at_ring = fail_once
    hurried = replace(process, settings=process.settings.model_copy(update={"reap_seconds": 0.01}))
    monitor = BrokerMonitor(hurried, lambda: True)

    monitor.start()
    assert found.wait(30)
    monitor.stop(30)

    assert queue.rung == [(job_id, "auto")]


def test_a_crash_counts_against_no_job_where_its_process_held_another_that_may_have_been_under_way(
    process: Process, database: Database
) -> None:
    """A guest that was claimed between two jobs of a batch, and the last of them. Both train alone the next time."""
    alike = {"worker_id": process.worker_id, "lease_seconds": -1.0}
    held = [submit(database) for _ in range(3)]
    leases = [
        claim(database, job_id, process_id=number, **alike)  # type: ignore[arg-type]
        for job_id, number in zip(held, (1, 1, 2), strict=True)
    ]
    assert all(leases)

    assert sorted(lost_jobs.release_jobs(database, expired(database), max_crashes=1)) == sorted(held)

    found = [read(database, job_id) for job_id in held]
    assert [(job.status, job.crashes) for job in found] == [("queued", 0), ("queued", 0), ("failed", 1)]

    assert claim(database, held[0], process_id=1, **alike)  # type: ignore[arg-type]
    lost_jobs.release_jobs(database, expired(database), max_crashes=1)
    assert read(database, held[0]).error_code == "worker_lost"
