"""A claimed job is trained to its end whatever happens on the way, and leaves the numbers of an undisturbed run."""

from collections.abc import Callable, Iterator
from threading import Event
from time import monotonic
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given
from hypothesis import settings as bounded
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes
from sqlalchemy import event, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7
from workbench import LECTURE, FakeQueue, abandoned, change, claim, columns, read, request, storage, submit

import service.jobs.jobs
import service.jobs.pauses
from service.data.numbers import Arrays
from service.settings import Settings
from service.store.database import Database
from service.store.jobs import jobs
from service.store.leases import lost_leases
from service.store.leases.leases import JobLease
from service.store.records import bulk
from service.store.tables import Epoch, Step
from service.store.tables import Event as History
from slope.spec import JobRequest
from worker.attempt import run_attempt
from worker.devices import Device
from worker.process import Process

Trained = Callable[[dict[str, Any]], UUID]
NEVER = 10**9


WHILE_LOADING = 2
"""So often it is asked whether to stop while the data of a small job is loaded."""


class AtStep(Event):
    """An event that nobody sets. At the n-th time somebody asks, which a training does before every step, it acts."""

    def __init__(self, number: int, action: Callable[[], Any]) -> None:
        super().__init__()
        self._left = number + WHILE_LOADING
        self._action = action

    def is_set(self) -> bool:
        self._left -= 1
        if self._left == 0:
            self._action()
        return super().is_set()


def stopping_at(number: int) -> AtStep:
    """The wish that the process leaves, from a step on."""
    stopping = AtStep(number, lambda: stopping.set())
    return stopping


@pytest.fixture
def run(settings: Settings, database: Database) -> Callable[..., JobLease]:
    """One attempt at a job by a worker of its own, with these settings."""

    def run(job_id: UUID, stopping: Event | None = None, **different: Any) -> JobLease:
        chosen = settings.model_copy(update=different)
        process = Process(chosen, database, [Device("cpu", "the test's")], uuid7(), FakeQueue(), stopping or Event())
        mine = claim(database, job_id, worker_id=process.worker_id)
        assert mine
        run_attempt(process, mine)
        return mine

    return run


Run = Callable[..., JobLease]


def epochs_of(database: Database, job_id: UUID) -> list[dict[str, Any]]:
    """All epoch records but for what is not a number of the training."""
    return rows_of(database, Epoch, job_id, Epoch.epoch)


def steps_of(database: Database, job_id: UUID) -> list[dict[str, Any]]:
    return rows_of(database, Step, job_id, Step.epoch, Step.step)


def rows_of(database: Database, table: Any, job_id: UUID, *order: Any) -> list[dict[str, Any]]:
    chosen = select(table.__table__).where(table.job_id == job_id).order_by(*order)
    with database.reading() as session:
        rows = session.execute(chosen).mappings().all()
    return [{name: value for name, value in row.items() if name not in ("job_id", "seconds")} for row in rows]


def told(database: Database, job_id: UUID) -> list[str | None]:
    """The statuses a job went through."""
    with database.reading() as session:
        history = select(History).where(History.job_id == job_id, History.kind == "status").order_by(History.seq)
        return [happened.status for happened in session.scalars(history)]


# the numbers


def test_the_lecture_s_job_leaves_the_lecture_s_numbers(
    database: Database, trained: Trained, lecture: dict[str, Any]
) -> None:
    job_id = trained(LECTURE)

    job, epochs, steps = read(database, job_id), epochs_of(database, job_id), steps_of(database, job_id)

    weight, expected_steps = [lecture["initial_weight"]], []
    for record in lecture["records"]:
        expected_steps += [(record["epoch"], [step["gradient"]]) for step in record["steps"]]
        assert steps[3 * record["epoch"]]["weights"] == weight
        weight = [record["weight_after"]]
    assert [(step["epoch"], step["gradient_weights"]) for step in steps] == expected_steps
    assert [(epoch["last_loss"], epoch["weights"]) for epoch in epochs] == [
        (record["last_loss"], [record["weight_after"]]) for record in lecture["records"]
    ]
    assert job.predictions_before == [lecture["prediction_before"]]
    assert job.predictions_after == [lecture["prediction_after"]]
    assert job.weights == weight


def diabetes(**hyperparameters: Any) -> dict[str, Any]:
    """Scikit-learn's diabetes data, 442 rows of ten features of mean 0 and variance 1."""
    x, y = load_diabetes(return_X_y=True)
    chosen = {"batch_size": "full", "dtype": "float64", "record": {"steps": "all"}} | hyperparameters
    return {"dataset": {"x": (x * 442**0.5).tolist(), "y": y.tolist()}, "hyperparameters": chosen}


def stable_rate(database: Database, wanted: dict[str, Any]) -> float:
    """The rate at which full-batch descent on the data begins to diverge."""
    analysis = service.jobs.drafts.draft_job(
        database, storage(), JobRequest.model_validate(wanted), Settings()
    ).analysis
    assert analysis
    assert analysis.max_stable_learning_rate
    return analysis.max_stable_learning_rate


@pytest.mark.parametrize(
    ("optimizer", "epochs"),
    [({"name": "sgd"}, 150), ({"name": "sgd", "momentum": 0.9}, 1000)],
    ids=["plain", "momentum"],
)
def test_descent_on_real_data_is_the_plain_loop_s_to_the_bit_and_ends_at_the_exact_solution(
    database: Database, trained: Trained, optimizer: dict[str, Any], epochs: int
) -> None:
    rate = 0.9 * stable_rate(database, diabetes())
    wanted = diabetes(optimizer=optimizer, epochs=epochs, learning_rate=rate, engine="eager")
    x = torch.tensor(wanted["dataset"]["x"], dtype=torch.float64)
    y = torch.tensor(wanted["dataset"]["y"], dtype=torch.float64)
    w = torch.zeros(10, dtype=torch.float64, requires_grad=True)
    b = torch.zeros((), dtype=torch.float64, requires_grad=True)
    plain = torch.optim.SGD([w, b], lr=rate, momentum=optimizer.get("momentum", 0.0))
    expected = []
    for _ in range(epochs):
        loss = ((x @ w + b - y) ** 2).mean()
        plain.zero_grad()
        loss.backward()
        assert w.grad is not None
        assert b.grad is not None
        gradient = w.grad.tolist(), b.grad.item()
        plain.step()
        expected.append((loss.item(), *gradient, w.tolist(), b.item()))

    job_id = trained(wanted)

    names = ("gradient_mean_weights", "gradient_mean_bias", "weights", "bias")
    found = epochs_of(database, job_id)
    assert [(row["loss"], *(row[name] for name in names)) for row in found] == expected
    assert [(row["loss"], row["gradient_weights"]) for row in steps_of(database, job_id)] == [
        (loss, gradient) for loss, gradient, *_ in expected
    ]
    if "momentum" in optimizer:
        exact = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y)[0]
        job = read(database, job_id)
        assert job.weights
        assert job.bias
        assert np.array([*job.weights, job.bias]) == pytest.approx(exact, rel=1e-8)


# what is recorded


def test_only_the_epochs_and_steps_that_were_asked_for_are_recorded(database: Database, trained: Trained) -> None:
    def kept(**record: Any) -> tuple[list[int], list[int]]:
        job_id = trained(request(epochs=8, batch_size=2, record=record))
        epochs, steps = epochs_of(database, job_id), steps_of(database, job_id)
        return [epoch["epoch"] for epoch in epochs], sorted({step["epoch"] for step in steps})

    assert kept() == (list(range(8)), list(range(8)))
    assert kept(every=3) == ([0, 3, 6, 7], [0, 3, 6, 7])
    assert kept(steps="none", every=3) == ([0, 3, 6, 7], [])
    assert kept(steps="all", every=100) == ([0, 7], [0, 7])


def test_what_is_recorded_does_not_change_the_numbers(database: Database, trained: Trained) -> None:
    every = {epoch["epoch"]: epoch for epoch in epochs_of(database, trained(request(epochs=20, batch_size=3)))}
    some = epochs_of(database, trained(request(epochs=20, batch_size=3, record={"steps": "none", "every": 6})))

    assert some == [every[epoch] for epoch in (0, 6, 12, 18, 19)]


def test_a_run_that_stops_early_records_its_last_epoch_and_keeps_the_best_model(
    database: Database, trained: Trained
) -> None:
    stopping = {"epochs": 500, "learning_rate": 0.2, "early_stopping": {"patience": 4}, "record": {"every": 50}}
    job_id = trained(request(**stopping, batch_size=1, dtype="float64", standardize=True))

    job, epochs = read(database, job_id), epochs_of(database, job_id)

    assert job.status == "succeeded"
    assert 4 < job.epochs_done < 500
    assert (job.epochs_done - 1) % 50, "the last epoch is not one that is kept anyway"
    assert epochs[-1]["epoch"] == job.epochs_done - 1
    assert job.events[-1].detail == f"Stopped early after {job.epochs_done} epochs"
    assert job.loss_best is not None
    assert job.loss_last is not None
    assert job.loss_best < job.loss_last
    assert job.weights != epochs[-1]["weights"]


def test_a_run_that_stopped_early_has_its_last_record_though_its_process_died_before_the_end_was_written(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = {"epochs": 500, "learning_rate": 0.2, "early_stopping": {"patience": 4}, "record": {"every": 50}}
    wanted = request(**stopping, batch_size=1, dtype="float64", standardize=True, engine="eager")
    whole, cut = submit(database, wanted), submit(database, wanted)
    run(whole)

    def die(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr("worker.jobs.outcome.rows_that_measure", die)
        with pytest.raises(SystemExit):
            run(cut, flush_epochs=1)
    done = read(database, cut).epochs_done
    with database.reading() as session:
        [held] = lost_leases.jobs_of_worker(session, columns(database, cut)["worker_id"])
    change(database, lambda session: lost_leases.release_lost(session, held, 3))
    run(cut)

    assert done == read(database, whole).epochs_done, "all epochs were flushed before the process died"
    assert epochs_of(database, cut) == epochs_of(database, whole)


# how it ends


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


# how it is cut, and goes on

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


# a database that goes away


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


# the analysis that is too long for the answer


LATE = {"analysis_seconds": 0.0}
TWO_RATES: list[dict[str, Any]] = [{"learning_rate": 0.01}, {"learning_rate": 9.0, "epochs": 1}]


def submit_late(database: Database, wanted: dict[str, Any]) -> UUID:
    parsed = JobRequest.model_validate(wanted)
    return service.jobs.jobs.submit_job(database, storage(), FakeQueue(), parsed, settings=Settings(**LATE)).job_id


@pytest.mark.parametrize("changes", TWO_RATES)
def test_an_analysis_that_is_left_to_the_worker_is_the_one_of_the_answer(
    database: Database, run: Run, changes: dict[str, Any]
) -> None:
    at_once, late = submit(database, request(**changes)), submit_late(database, request(**changes))
    assert read(database, late).analysis is None
    assert "warning" not in {event.kind for event in read(database, late).events}
    run(at_once)
    run(late, **LATE)

    assert read(database, late).analysis == read(database, at_once).analysis
    warnings = [
        [event.detail for event in read(database, job_id).events if event.kind == "warning"]
        for job_id in (at_once, late)
    ]
    assert sorted(map(str, warnings[0])) == sorted(map(str, warnings[1]))


def test_a_job_that_waits_for_its_analysis_is_cancelled(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, let_go = submit_late(database, request()), Event()

    def endless(*_: Any) -> None:
        while read(database, job_id).epochs_done < 5:
            let_go.wait(0.01)
        change(database, lambda session: jobs.ask_to_cancel(session, job_id))
        let_go.wait(30)

    monkeypatch.setattr("worker.jobs.outcome.analyse", endless)
    run(job_id, **LATE, beat_seconds=0.01)
    let_go.set()

    job = read(database, job_id)
    assert (job.status, job.epochs_done) == ("cancelled", 5)


def test_an_analysis_that_would_take_a_worker_too_long_is_not_made(database: Database, run: Run) -> None:
    job_id = submit_late(database, request())
    run(job_id, **LATE, worker_analysis_seconds=0.0)
    job = read(database, job_id)
    assert (job.status, job.analysis) == ("succeeded", None)
