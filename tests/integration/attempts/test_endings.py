"""However an attempt ends, its job says how, and keeps what was recorded."""

from collections.abc import Callable, Iterator
from threading import Event
from time import monotonic
from typing import Any

import numpy as np
import pytest
import torch
from integration.attempts.attempts import (
    NEVER,
    AtStep,
    Run,
    Trained,
    epochs_of,
    steps_of,
    told,
)
from workbench import change, claim, columns, read, request, submit

from service.data.numbers import Arrays
from service.store.database import Database
from service.store.jobs import jobs
from worker.attempt import run_attempt
from worker.process import Process


@pytest.mark.parametrize(
    ("batch_size", "named"), [(1, "max_stable_learning_rate_per_row of"), ("full", "max_stable_learning_rate of")]
)
def test_a_job_that_diverges_names_the_limit_that_holds_for_it(
    database: Database, trained: Trained, batch_size: int | str, named: str
) -> None:
    detail = read(database, trained(request(learning_rate=1e9, epochs=100, batch_size=batch_size))).error_detail

    assert named in str(detail)


def test_a_job_that_diverges_fails_and_keeps_every_finite_number(database: Database, trained: Trained) -> None:
    job_id = trained(request(learning_rate=10.0, epochs=100, batch_size=1))

    job, epochs, steps = read(database, job_id), epochs_of(database, job_id), steps_of(database, job_id)

    assert (job.status, job.error_code) == ("failed", "diverged")
    assert job.error_detail
    assert "learning rate" in job.error_detail
    assert 0 < job.epochs_done < 100
    assert [epoch["epoch"] for epoch in epochs] == list(range(job.epochs_done))
    places = [(step["epoch"], step["step"]) for step in steps]
    assert places == [(number // 4, number % 4) for number in range(len(places))]
    assert places[-1][0] == job.epochs_done, "it broke within an epoch, after some of its steps"
    for row in (*epochs, *steps):
        for value in row.values():
            assert np.isfinite(np.array(value if value is not None else 0.0, dtype=float)).all()
    assert job.weights == epochs[-1]["weights"]
    assert job.predictions_after is None
    assert columns(database, job_id)["checkpoint"] is None


@pytest.mark.parametrize(
    ("engine", "dtype", "scale"),
    [("eager", "float32", 1e20), ("compiled", "float64", 1e300), ("reduced", "float64", 1e300)],
)
def test_targets_whose_squares_are_beyond_the_dtype_are_not_blamed_on_the_rate(
    database: Database, process: Process, engine: str, dtype: str, scale: float
) -> None:
    wanted = request(engine=engine, dtype=dtype, learning_rate=1e-3)
    wanted["dataset"] = {"x": [1.0, 2.0, 3.0, 4.0], "y": [scale, 2 * scale, 3 * scale, 5 * scale]}
    mine = claim(database, submit(database, wanted), worker_id=process.worker_id)
    assert mine
    run_attempt(process, mine)

    job = read(database, mine.job_id)
    assert (job.status, job.error_code) == ("failed", "diverged")
    assert f"squares of the target are beyond the range of {dtype}" in (job.error_detail or "")


def test_a_running_job_is_cancelled_at_its_next_flush(database: Database, run: Run) -> None:
    job_id = submit(database, request(epochs=10_000, batch_size=2, engine="eager"))

    def cancel() -> None:
        assert change(database, lambda session: jobs.ask_to_cancel(session, job_id))

    run(job_id, AtStep(9, cancel), flush_epochs=3, flush_seconds=NEVER, beat_seconds=NEVER)

    job = read(database, job_id)
    assert (job.status, job.epochs_done) == ("cancelled", 6), "the ninth step is the first of the fifth epoch"
    assert job.error_code is None
    assert job.finished_at
    assert told(database, job_id) == ["queued", "running", "cancelled"]
    assert [epoch["epoch"] for epoch in epochs_of(database, job_id)] == list(range(6))
    assert columns(database, job_id)["checkpoint"] is None


def test_a_job_whose_epoch_is_long_is_cancelled_by_the_heartbeat(database: Database, run: Run) -> None:
    job_id = submit(database, request(epochs=10_000_000, engine="eager", record={"steps": "none", "every": 10_000_000}))

    def cancel() -> None:
        assert change(database, lambda session: jobs.ask_to_cancel(session, job_id))

    run(job_id, AtStep(5, cancel), flush_epochs=NEVER, flush_seconds=NEVER, beat_seconds=0.01)

    assert told(database, job_id) == ["queued", "running", "cancelled"]
    assert read(database, job_id).epochs_done >= 4


def test_a_job_that_is_out_of_time_fails_and_keeps_its_records(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = request(epochs=10_000_000, engine="eager", record={"steps": "none", "every": 1000})
    job_id = submit(database, endless | {"timeout_seconds": 100})

    def let_pass() -> None:
        monkeypatch.setattr("worker.heartbeat.monotonic", lambda: monotonic() + 101)

    run(job_id, AtStep(1500, let_pass))

    job = read(database, job_id)
    assert (job.status, job.error_code) == ("failed", "timeout")
    assert job.error_detail
    assert "100 seconds" in job.error_detail
    assert 0 < job.epochs_done < 10_000_000


DEAF = [  # engines that once asked nothing between two epochs
    pytest.param({"engine": "composed", "batch_size": 1}, id="composed at a constant rate"),
    pytest.param({"engine": "composed", "batch_size": "full"}, id="composed of one step"),
    pytest.param({"engine": "compiled", "batch_size": "full"}, id="compiled of one step"),
    pytest.param({"engine": "reduced", "batch_size": "full"}, id="reduced"),
    pytest.param({"engine": "eager", "batch_size": "full", "optimizer": {"name": "lbfgs"}}, id="lbfgs"),
]


@pytest.mark.parametrize("ending", ["cancelled", "timeout", "put back"])
@pytest.mark.parametrize("hyperparameters", DEAF)
def test_short_epochs_without_a_step_to_ask_before_are_left_all_the_same(
    database: Database, run: Run, hyperparameters: dict[str, Any], ending: str
) -> None:
    endless = {"epochs": 10_000_000, "learning_rate": 1e-6, "record": {"steps": "none", "every": 1000}}
    wanted = request(**endless | hyperparameters)
    job_id = submit(database, wanted | ({"timeout_seconds": 0.1} if ending == "timeout" else {}))

    def act() -> None:
        if ending == "cancelled":
            change(database, lambda session: jobs.ask_to_cancel(session, job_id))
        elif ending == "put back":
            stopping.set()

    stopping = AtStep(20, act)
    run(job_id, stopping, beat_seconds=0.05)

    job = read(database, job_id)
    status = {"cancelled": "cancelled", "timeout": "failed", "put back": "queued"}[ending]
    assert (job.status, job.crashes) == (status, 0)
    assert job.error_code == ("timeout" if ending == "timeout" else None)
    recorded = [epoch["epoch"] for epoch in epochs_of(database, job_id)]
    assert recorded == list(range(0, job.epochs_done, 1000))


def out_of_memory() -> None:
    raise MemoryError("for the test")


def out_of_device_memory() -> None:
    raise torch.OutOfMemoryError("for the test")


def out_of_torch_memory() -> None:
    torch.empty(2**60)


def broken() -> None:
    raise KeyError("for the test")


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (out_of_memory, "out_of_memory"),
        (out_of_device_memory, "out_of_memory"),
        (out_of_torch_memory, "out_of_memory"),
        (broken, "internal"),
    ],
)
def test_an_error_ends_the_job_with_its_code_and_leaves_what_was_flushed(
    database: Database, run: Run, action: Callable[[], Any], code: str
) -> None:
    job_id = submit(database, request(epochs=100))

    run(job_id, AtStep(8, action), flush_epochs=3, flush_seconds=NEVER)

    job = read(database, job_id)
    assert (job.status, job.error_code, job.epochs_done) == ("failed", code, 6)
    assert job.error_detail
    assert [epoch["epoch"] for epoch in epochs_of(database, job_id)] == list(range(6))
    assert told(database, job_id) == ["queued", "running", "failed"]
    assert columns(database, job_id)["lease_token"] is None


@pytest.mark.parametrize("lack", [MemoryError("for the test"), RuntimeError("can't allocate memory")], ids=repr)
@pytest.mark.parametrize(("action", "code"), [(out_of_torch_memory, "out_of_memory"), (broken, "internal")])
def test_a_sound_job_that_cannot_be_read_for_lack_of_memory_is_not_called_damaged(
    database: Database,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    action: Callable[[], Any],
    code: str,
    lack: Exception,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise lack

    monkeypatch.setattr("torch.load", fail)
    job_id = submit(database, request(epochs=100))

    run(job_id, AtStep(8, action), flush_epochs=3, flush_seconds=NEVER)

    job = read(database, job_id)
    assert (job.status, job.error_code, job.epochs_done) == ("failed", code, 6)


@pytest.mark.parametrize("ending", ["cancelled", "timeout", "put back"])
def test_a_job_is_left_while_its_data_is_loaded(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    wanted = request() | ({"timeout_seconds": 0.1} if ending == "timeout" else {})
    job_id, stopping = submit(database, wanted), Event()

    def endless(*_: Any) -> Iterator[Arrays]:
        if ending == "cancelled":
            change(database, lambda session: jobs.ask_to_cancel(session, job_id))
        elif ending == "put back":
            stopping.set()
        while True:
            yield Arrays(np.empty((0, 1)), np.empty(0))

    monkeypatch.setattr("service.data.numbers.read_batches", endless)
    run(job_id, stopping, beat_seconds=0.05)

    job = read(database, job_id)
    status = {"cancelled": "cancelled", "timeout": "failed", "put back": "queued"}[ending]
    assert (job.status, job.epochs_done, job.crashes) == (status, 0, 0)
    assert job.error_code == ("timeout" if ending == "timeout" else None)


def test_data_that_cannot_be_loaded_ends_the_job_too(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.jobs.attempt.prepare", lambda *_: out_of_memory())
    job_id = submit(database)

    run(job_id)

    assert read(database, job_id).error_code == "out_of_memory"
