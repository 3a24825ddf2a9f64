"""A slow database is written to beside the training: no record is missing, twice, or other than without it."""

from collections.abc import Callable
from dataclasses import replace
from threading import Barrier, Event, Lock, current_thread, main_thread
from time import sleep
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import select
from workbench import abandoned, change, claim, claim_group_of, columns, jobs_of, read, request, submit, submit_sweep

from service.errors import LeaseLost
from service.store.counts import Count
from service.store.database import Database
from service.store.leases import lost_leases
from service.store.tables import Epoch, Step
from worker.attempt import run_attempt
from worker.jobs import flush, recorder
from worker.jobs.flush import Flush, Writer
from worker.process import Process, ProcessStopping

HISTORY = {"epochs": 60, "batch_size": 2, "optimizer": {"name": "adam"}, "shuffle": True, "record": {"steps": "all"}}
SWEEP = request(**HISTORY) | {"grid": {"learning_rate": [0.01, 0.02, 0.03, 0.04]}}


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every database is a slow one."""
    monkeypatch.setattr(flush, "_SLOW", -1.0)


class Slowed:
    """A function that takes its time, and notes in which threads. Two at once are one too many."""

    def __init__(self, action: Callable[..., None], seconds: float) -> None:
        self.threads: list[str] = []
        self._action = action
        self._seconds = seconds
        self._lock = Lock()

    def __call__(self, *arguments: Any) -> None:
        assert self._lock.acquire(blocking=False), "two flushes are under way"
        self.threads.append(current_thread().name)
        sleep(self._seconds)
        self._action(*arguments)
        self._lock.release()


def rows(database: Database, job_id: UUID) -> list[Any]:
    """All that was recorded of a job but the time it took."""
    with database.reading() as session:
        epochs = session.scalars(select(Epoch).where(Epoch.job_id == job_id).order_by(Epoch.epoch)).all()
        steps = session.scalars(select(Step).where(Step.job_id == job_id).order_by(Step.epoch, Step.step)).all()
    return [
        [{name: value for name, value in vars(row).items() if name not in _OF_ITS_RUN} for row in kind]
        for kind in (epochs, steps)
    ]


_OF_ITS_RUN = {"_sa_instance_state", "job_id", "seconds"}


def train(process: Process, job_id: UUID, **settings: Any) -> None:
    mine = claim(process.database, job_id, worker_id=process.worker_id)
    assert mine
    run_attempt(replace(process, settings=process.settings.model_copy(update=settings)), mine)


def train_group(process: Process, job_id: UUID, **settings: Any) -> None:
    mine = claim_group_of(process.database, job_id, worker_id=process.worker_id)
    assert mine
    run_attempt(replace(process, settings=process.settings.model_copy(update=settings)), mine)


def test_a_quick_write_is_done_at_once_by_whoever_asks_for_it() -> None:
    assert Writer[bool](Event(), np.zeros(len(Count))).write(lambda: current_thread() is main_thread()) == [True]


def test_a_write_after_a_slow_one_goes_on_beside_and_its_answer_comes_with_the_next(beside: None) -> None:
    both, slow = Barrier(2), Writer[int](Event(), np.zeros(len(Count)))

    def write(answer: int) -> int:
        both.wait(30)  # who writes and who asked for it: neither waits for the other
        return answer

    assert slow.write(lambda: write(1)) == []
    assert slow.is_busy
    both.wait(30)
    assert slow.write(lambda: write(2)) == [1]
    both.wait(30)
    assert slow.settle() == [2]
    assert slow.settle() == []
    assert not slow.is_busy


@pytest.mark.parametrize("error", [LeaseLost(), ProcessStopping(), MemoryError()])
def test_what_a_write_beside_raises_is_raised_by_the_next(beside: None, error: Exception) -> None:
    slow = Writer[int](Event(), np.zeros(len(Count)))

    def fail() -> int:
        raise error

    assert slow.write(fail) == []
    with pytest.raises(type(error)):
        slow.write(lambda: 2)
    assert slow.settle() == []


def test_a_job_that_is_written_beside_its_training_leaves_the_same_records(
    process: Process, database: Database, beside: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, slow = submit(database, request(**HISTORY)), submit(database, request(**HISTORY))
    with monkeypatch.context() as patch:
        patch.setattr(flush, "_SLOW", 1000.0)
        train(process, plain)
    slowed = Slowed(flush.write_records, 0.02)
    monkeypatch.setattr(flush, "write_records", slowed)

    train(process, slow, flush_epochs=1)

    assert "writer" in slowed.threads
    assert slowed.threads[-1] != "writer", "the end is waited for"
    assert rows(database, slow) == rows(database, plain)
    own = {"id", "created_at", "started_at", "finished_at", "version", "rung_at", "dataset_id", "seconds"}
    kept, expected = columns(database, slow), columns(database, plain)
    assert {name: value for name, value in kept.items() if name not in own} == {
        name: value for name, value in expected.items() if name not in own
    }


def test_a_group_that_is_written_beside_its_training_leaves_the_same_records(
    process: Process, database: Database, beside: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "slope.engines.groups.fused._BLOCK_SECONDS", 0.0
    )  # an epoch a round, and so more than one flush
    plain, slow = (jobs_of(database, submit_sweep(database, SWEEP)) for _ in range(2))
    with monkeypatch.context() as patch:
        patch.setattr(flush, "_SLOW", 1000.0)
        train_group(process, plain[0].id)
    slowed = Slowed(flush.bulk.add_epochs, 0.02)
    monkeypatch.setattr(flush.bulk, "add_epochs", slowed)

    train_group(process, slow[0].id, flush_epochs=1)

    assert len(slowed.threads) > 1
    for former, latter in zip(plain, slow, strict=True):
        assert read(database, latter.id).status == "succeeded"
        assert rows(database, latter.id) == rows(database, former.id)


def test_training_goes_on_while_a_slow_database_is_written_to_until_memory_says_stop(
    process: Process, database: Database, beside: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers_of_an_epoch, most = 15, 10
    monkeypatch.setattr(recorder, "_MOST_NUMBERS", most * numbers_of_an_epoch)
    written: list[int] = []
    write = flush.write_records

    def note(session: Any, flushed: Flush) -> None:
        sleep(0.2)  # many times what ten epochs take
        written.append(sum(len(table) for _, table in flushed.epochs))
        write(session, flushed)

    monkeypatch.setattr(flush, "write_records", note)
    job_id = submit(database, request(epochs=50, record={"steps": "none"}))

    train(process, job_id, flush_epochs=1)

    assert sum(written) == 50
    assert max(written) == most, "it went on, and it stopped"
    assert [epoch["epoch"] for epoch in rows(database, job_id)[0]] == list(range(50))


@pytest.mark.parametrize("flushes", range(1, 5))
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_an_attempt_that_is_overtaken_while_it_is_written_beside_leaves_the_others_rows_alone(
    process: Process, database: Database, beside: None, monkeypatch: pytest.MonkeyPatch, flushes: int
) -> None:
    monkeypatch.setattr(recorder, "_MOST_NUMBERS", 0)  # training waits: there are as many flushes on every machine
    plain, job_id = submit(database, request(**HISTORY)), submit(database, request(**HISTORY))
    train(process, plain)
    mine = claim(database, job_id, worker_id=process.worker_id)
    assert mine
    write, left = flush.write_records, flushes

    def overtaken(*arguments: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            monkeypatch.setattr(flush, "write_records", write)
            other = replace(process, database=Database(database.url.render_as_string(hide_password=False)))
            assert change(other.database, lambda session: lost_leases.release_lost(session, abandoned(mine), 3))
            train(other, job_id)
            other.database.dispose()
        write(*arguments)

    monkeypatch.setattr(flush, "write_records", overtaken)
    run_attempt(replace(process, settings=process.settings.model_copy(update={"flush_epochs": 3})), mine)

    assert rows(database, job_id) == rows(database, plain)
    assert (read(database, job_id).status, read(database, job_id).attempt) == ("succeeded", 2)


def test_a_job_that_is_put_back_is_put_back_after_the_flush_that_is_under_way(
    process: Process, database: Database, beside: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, job_id = submit(database, request(**HISTORY)), submit(database, request(**HISTORY))
    train(process, plain)
    stopping = Event()
    write = flush.write_records

    def leave(*arguments: Any) -> None:
        stopping.set()
        sleep(0.1)
        write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(flush, "write_records", leave)
        train(replace(process, stopping=stopping), job_id, flush_epochs=5)
    done = read(database, job_id)
    assert (done.status, done.epochs_done) == ("queued", len(rows(database, job_id)[0]))
    assert done.epochs_done >= 5

    train(process, job_id)
    assert rows(database, job_id) == rows(database, plain)


def test_rows_of_a_job_are_of_one_job_also_where_its_id_is_two_objects() -> None:
    one, again, other = UUID(int=1), UUID(int=1), UUID(int=2)
    job_ids, places = flush._told_apart([one, one, other, again, other])
    assert [job_ids[place] for place in places] == [one, one, other, one, other]
    assert sorted(job_ids) == [one, other]
