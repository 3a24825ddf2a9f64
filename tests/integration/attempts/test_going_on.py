"""A job that is cut anywhere, or whose database goes away, goes on to the bits of an undisturbed run."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as bounded
from hypothesis import strategies as st
from integration.attempts.attempts import NEVER, AtStep, Run, epochs_of, steps_of, stopping_at, told
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7
from workbench import FakeQueue, abandoned, change, claim, columns, read, request, submit

import service.jobs.jobs
import service.jobs.pauses
from service.settings import Settings
from service.store.database import Database
from service.store.jobs import jobs
from service.store.leases import lost_leases
from service.store.leases.leases import JobLease
from service.store.records import bulk
from worker.attempt import run_attempt
from worker.devices import Device
from worker.process import Process

HISTORY = {
    "epochs": 12,
    "batch_size": 3,
    "shuffle": True,
    "seed": 5,
    "optimizer": {"name": "adam"},
    "schedule": {"name": "exponential", "gamma": 0.9},
    "validation_fraction": 0.25,
    "early_stopping": {"patience": 50},
    "clip_norm": 3.0,
    "standardize": True,
}


@bounded(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(1, 15), max_size=4),
    st.integers(1, 5),
    st.sampled_from(
        [HISTORY, {"epochs": 12, "zero_gradients": "never"}, {"epochs": 12, "optimizer": {"name": "lbfgs"}}]
    ),
)
@example([1, 1, 1], 1, HISTORY)
@example([12, 3], 4, HISTORY)
def test_a_run_that_was_cut_anywhere_and_resumed_leaves_the_bits_of_one_that_was_not(
    database: Database, run: Run, cuts: list[int], flush_epochs: int, hyperparameters: dict[str, Any]
) -> None:
    wanted = request(**{"epochs": 12} | hyperparameters) | {"predict": [7.0]}
    whole, cut = submit(database, wanted), submit(database, wanted)
    run(whole)

    for number in cuts:
        run(cut, stopping_at(number), flush_epochs=flush_epochs, flush_seconds=NEVER)
        if read(database, cut).is_final:
            break
        assert read(database, cut).status == "queued"
    if not read(database, cut).is_final:
        run(cut, flush_epochs=flush_epochs, flush_seconds=NEVER)

    first, second = read(database, whole), read(database, cut)
    assert epochs_of(database, cut) == epochs_of(database, whole)
    assert steps_of(database, cut) == steps_of(database, whole)
    for name in ("status", "weights", "bias", "scaler", "loss_first", "loss_last", "loss_best", "loss_validation"):
        assert getattr(first, name) == getattr(second, name)
    assert first.predictions_after == second.predictions_after
    assert second.crashes == 0
    assert second.attempt == len([status for status in told(database, cut) if status == "running"])


@pytest.mark.parametrize(
    "hyperparameters",
    [HISTORY, HISTORY | {"engine": "eager", "optimizer": {"name": "adam"}}, {"epochs": 12, "standardize": True}],
    ids=["history", "eager", "standardized"],
)
def test_a_job_that_was_paused_and_resumed_leaves_the_bits_of_one_that_was_not(
    database: Database, run: Run, wait_for_heartbeat: Callable[[], None], hyperparameters: dict[str, Any]
) -> None:
    wanted = request(**hyperparameters) | {"predict": [7.0]}
    whole, paused = submit(database, wanted), submit(database, wanted)
    run(whole)

    def pause() -> None:
        service.jobs.pauses.pause_job(database, paused)
        wait_for_heartbeat()

    for number in (1, 6):
        run(paused, AtStep(number, pause), flush_epochs=1, flush_seconds=NEVER, beat_seconds=0.01)
        assert read(database, paused).status == "paused"
        service.jobs.pauses.resume_job(database, FakeQueue(), paused)
    run(paused)

    assert epochs_of(database, paused) == epochs_of(database, whole)
    assert steps_of(database, paused) == steps_of(database, whole)
    for name in ("weights", "bias", "scaler", "loss_first", "loss_last", "loss_best", "predictions_after"):
        assert getattr(read(database, paused), name) == getattr(read(database, whole), name)
    assert told(database, paused) == [*["queued", "running", "paused"] * 2, "queued", "running", "succeeded"]
    assert read(database, paused).crashes == 0


def test_a_job_whose_epoch_is_long_is_paused_by_the_heartbeat(database: Database, run: Run) -> None:
    job_id = submit(database, request(epochs=10_000_000, engine="eager", record={"steps": "none", "every": 10_000_000}))

    wish = AtStep(5, lambda: service.jobs.pauses.pause_job(database, job_id))
    run(job_id, wish, flush_epochs=NEVER, flush_seconds=NEVER, beat_seconds=0.01)

    assert told(database, job_id) == ["queued", "running", "paused"]


def test_a_run_whose_worker_died_goes_on_from_its_last_flush(database: Database, run: Run) -> None:
    whole, cut = submit(database, request(**HISTORY)), submit(database, request(**HISTORY))
    run(whole)

    def die() -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        run(cut, AtStep(12, die), flush_epochs=2, flush_seconds=NEVER)
    assert read(database, cut).status == "running"
    with database.reading() as session:
        [held] = lost_leases.jobs_of_worker(session, columns(database, cut)["worker_id"])
    assert change(database, lambda session: lost_leases.release_lost(session, held, 3))
    before = [epoch["epoch"] for epoch in epochs_of(database, cut)]
    run(cut)

    assert 0 < len(before) < 12
    assert len(before) % 2 == 0
    assert epochs_of(database, cut) == epochs_of(database, whole)
    assert steps_of(database, cut) == steps_of(database, whole)
    assert (read(database, cut).crashes, read(database, cut).attempt) == (0, 2), "it had recorded epochs"


@pytest.mark.parametrize(
    "noticing",
    [
        pytest.param({"flush_epochs": 3, "flush_seconds": NEVER, "beat_seconds": NEVER}, id="the flush notices"),
        pytest.param({"flush_epochs": NEVER, "flush_seconds": NEVER, "beat_seconds": 0.01}, id="the heartbeat notices"),
        pytest.param({"flush_epochs": NEVER, "flush_seconds": NEVER, "beat_seconds": NEVER}, id="the end notices"),
    ],
)
def test_an_attempt_that_lost_its_lease_writes_nothing_more(
    database: Database, run: Run, noticing: dict[str, Any]
) -> None:
    endless = {"epochs": 10_000_000, "engine": "eager", "record": {"steps": "none", "every": 10_000_000}}
    job_id = submit(database, request(**(endless if noticing["beat_seconds"] < 1 else {"epochs": 12})))
    seen: list[Any] = []

    def take_over() -> None:
        row = columns(database, job_id)
        lost = abandoned(JobLease(job_id, row["attempt"], row["lease_token"]))
        assert change(database, lambda session: lost_leases.release_lost(session, lost, 3))
        assert claim(database, job_id)
        seen.extend([columns(database, job_id), epochs_of(database, job_id), told(database, job_id)])

    run(job_id, AtStep(8, take_over), **noticing)

    assert seen == [columns(database, job_id), epochs_of(database, job_id), told(database, job_id)]
    assert seen[0]["status"] == "running"
    assert len(seen[1]) == (6 if noticing["flush_epochs"] == 3 else 0)


def test_an_attempt_at_a_job_that_was_deleted_ends_in_silence(database: Database, run: Run) -> None:
    job_id = submit(database, request(epochs=12))

    def delete() -> None:
        row = columns(database, job_id)
        held = abandoned(JobLease(job_id, row["attempt"], row["lease_token"]))
        assert change(database, lambda session: lost_leases.release_lost(session, held, 3))
        assert change(database, lambda session: jobs.remove_job(session, job_id))

    run(job_id, AtStep(8, delete), flush_epochs=3, flush_seconds=NEVER)

    assert epochs_of(database, job_id) == []


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("written", ["jobs", "epochs", "steps"])
def test_a_connection_that_is_cut_within_a_flush_costs_nothing(
    database: Database, run: Run, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = submit(database, request(**HISTORY)), submit(database, request(**HISTORY))
    run(whole)
    cuts: list[int] = []

    def update(connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if written == "jobs" and sql.startswith("UPDATE jobs"):
            cut_it(connection)

    def insert(session: Session, table: str, *rows: Any) -> None:
        if written == table:
            cut_it(session.connection())
        bulk_insert(session, table, *rows)

    def cut_it(connection: Any) -> None:
        if len(cuts) < 2:
            pid = connection.connection.dbapi_connection.info.backend_pid
            cuts.append(pid)
            with other.reading() as session:
                session.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

    other = Database(database.url.render_as_string(hide_password=False))
    mine = claim(database, cut)
    event.listen(database.writer, "before_cursor_execute", update)
    bulk_insert = bulk.insert_rows
    monkeypatch.setattr(bulk, "insert_rows", insert)
    assert mine
    chosen = Settings(flush_epochs=2, flush_seconds=NEVER, beat_seconds=NEVER)
    run_attempt(Process(chosen, database, [Device("cpu", "the test's")], uuid7(), FakeQueue()), mine)
    event.remove(database.writer, "before_cursor_execute", update)
    other.dispose()

    assert len(cuts) == 2
    assert read(database, cut).status == "succeeded"
    assert epochs_of(database, cut) == epochs_of(database, whole)
    assert steps_of(database, cut) == steps_of(database, whole)
    assert told(database, cut) == ["queued", "running", "succeeded"]
    assert read(database, cut).crashes == 0


def test_a_commit_whose_answer_was_lost_is_not_made_twice(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = submit(database, request(**HISTORY)), submit(database, request(**HISTORY))
    run(whole)
    commit, lost = Session.commit, []

    def commit_and_lose_the_answer(session: Session) -> None:
        commit(session)
        if session.bind is not database.writer:
            return
        lost.append(session)
        raise OperationalError("COMMIT", None, Exception("the answer was lost"))

    mine = claim(database, cut)
    assert mine
    monkeypatch.setattr(Session, "commit", commit_and_lose_the_answer)
    chosen = Settings(flush_epochs=2, flush_seconds=NEVER, beat_seconds=NEVER)
    run_attempt(Process(chosen, database, [Device("cpu", "the test's")], uuid7(), FakeQueue()), mine)

    assert len(lost) == 7, "six flushes and the end"
    assert read(database, cut).status == "succeeded"
    assert epochs_of(database, cut) == epochs_of(database, whole)
    assert steps_of(database, cut) == steps_of(database, whole)
    assert told(database, cut) == ["queued", "running", "succeeded"]
