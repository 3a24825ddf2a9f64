"""Groups of jobs that train together: each job is what it would be alone, whatever befalls the group."""

from collections.abc import Callable, Iterator
from threading import Event
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7
from workbench import FakeQueue, change, claim, claim_group_of, columns, expired, jobs_of, read, request, submit_sweep

import service.jobs.jobs
import service.jobs.pauses
import service.jobs.sweeps
from service.data.numbers import Arrays
from service.errors import LeaseLost
from service.records import pages
from service.settings import Settings
from service.store.database import Database
from service.store.events import JobChange
from service.store.leases.claims import claim_job
from service.store.leases.groups import GroupLease
from service.store.tables import Epoch, Job, Snapshot, Step
from service.store.tables import Event as History
from service.upkeep import lost_jobs
from slope.spec import TrainingSpec
from worker.attempt import run_attempt
from worker.devices import Device
from worker.process import Process

NEVER = 10**9
RATES = [0.001, 0.01, 0.02, 0.03]
BASE: dict[str, Any] = {"epochs": 12, "batch_size": 2, "dtype": "float64", "fit_bias": True}


WHILE_LOADING = 2
"""So often it is asked whether to stop while the data of a small sweep is loaded."""


@pytest.fixture(autouse=True)
def _step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch a round, and before every step a look at whether to stop: so a test says where it does."""
    monkeypatch.setattr("slope.engines.groups.fused._BLOCK_SECONDS", 0.0)
    monkeypatch.setattr("slope.engines.groups.walks._CHUNK_ROWS", 1)


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
    stopping = AtStep(number, lambda: stopping.set())
    return stopping


def sweep(rates: list[float] = RATES, **shared: Any) -> dict[str, Any]:
    return request() | {"hyperparameters": BASE | shared, "grid": {"learning_rate": rates}, "predict": [4.0]}


@pytest.fixture
def run(settings: Settings, database: Database) -> Callable[..., None]:
    """One attempt at a job's group by a worker of its own, with these settings."""

    def run(job_id: UUID, stopping: Event | None = None, **different: Any) -> None:
        chosen = settings.model_copy(update=different)
        process = Process(chosen, database, [Device("cpu", "the test's")], uuid7(), FakeQueue(), stopping or Event())
        mine = claim_group_of(database, job_id, worker_id=process.worker_id)
        assert mine
        run_attempt(process, mine)

    return run


Run = Callable[..., None]


def numbers_of(database: Database, table: Any, job_id: UUID) -> list[dict[str, Any]]:
    """All records of a job but for what is not a number of the training."""
    chosen = select(table.__table__).where(table.job_id == job_id).order_by(*table.__table__.primary_key)
    with database.reading() as session:
        rows = session.execute(chosen).mappings().all()
    return [{name: value for name, value in row.items() if name not in ("job_id", "seconds")} for row in rows]


def history_of(database: Database, job_id: UUID) -> list[tuple[int, str | None, str | None]]:
    with database.reading() as session:
        found = session.scalars(select(History).where(History.job_id == job_id).order_by(History.seq))
        return [(event.epochs_done, event.status, event.code) for event in found]


def result_of(database: Database, job_id: UUID) -> dict[str, Any]:
    row = columns(database, job_id)
    names = ("status", "epochs_done", "loss_first", "loss_last", "loss_best", "loss_validation", "weights", "bias")
    more = ("predictions_before", "predictions_after", "scaler", "error_code", "error_detail", "checkpoint")
    return {name: row[name] for name in (*names, *more)}


def assert_like(found: Any, expected: Any) -> None:
    """Equal, numbers to 1e-12."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert_like(found[name], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_like(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)
    else:
        assert found == expected


@pytest.mark.parametrize(
    "shared",
    [
        {},
        {"standardize": True, "validation_fraction": 0.25, "shuffle": True},
        {"early_stopping": {"patience": 2, "min_delta": 0.5}, "record": {"steps": "none", "every": 5}},
        {"fit_bias": False, "batch_size": "full", "record": {"steps": "all", "every": 3}},
    ],
    ids=["plain", "standardized", "stopping early", "some epochs"],
)
def test_each_job_ends_as_the_same_job_alone(
    database: Database, run: Run, trained: Callable[[dict[str, Any]], UUID], shared: dict[str, Any]
) -> None:
    steps_recorded = {"record": {"steps": "all"}} | shared
    together = jobs_of(database, submit_sweep(database, sweep(**steps_recorded)))
    assert [job.plan["engine"] for job in together] == ["fused"] * len(RATES)

    run(together[0].id)

    for job, rate in zip(together, RATES, strict=True):
        alone = trained(
            request(**BASE | steps_recorded | {"learning_rate": rate, "engine": "eager"}) | {"predict": [4.0]}
        )
        assert_like(result_of(database, job.id), result_of(database, alone))
        for table in (Epoch, Step):
            assert_like(numbers_of(database, table, job.id), numbers_of(database, table, alone))
        assert history_of(database, job.id)[2:] == history_of(database, alone)[2:]
        found, expected = read(database, job.id).analysis, read(database, alone).analysis
        assert found
        assert_like(found["reached"], expected["reached"] if expected else None)


def test_a_job_that_diverges_fails_where_it_would_alone_and_leaves_the_others(
    database: Database, run: Run, trained: Callable[[dict[str, Any]], UUID]
) -> None:
    rates = [0.01, 1e6, 0.02, 30.0]
    shared = {"epochs": 60, "record": {"steps": "all"}}
    together = jobs_of(database, submit_sweep(database, sweep(rates, **shared)))

    run(together[0].id, flush_epochs=2, flush_seconds=NEVER)

    for job, rate in zip(together, rates, strict=True):
        alone = trained(request(**BASE | shared | {"learning_rate": rate, "engine": "eager"}) | {"predict": [4.0]})
        assert_like(result_of(database, job.id), result_of(database, alone))
        assert len(numbers_of(database, Epoch, job.id)) == len(numbers_of(database, Epoch, alone))
        assert len(numbers_of(database, Step, job.id)) == len(numbers_of(database, Step, alone))
    assert [read(database, job.id).error_code for job in together] == [None, "diverged", None, "diverged"]


@pytest.mark.parametrize("shared", [{}, {"optimizer": {"name": "adam"}, "zero_gradients": "never"}])
@pytest.mark.parametrize("cuts", [[3], [9, 14], [1, 22]])
def test_a_group_that_was_cut_anywhere_and_resumed_leaves_the_bits_of_one_that_was_not(
    database: Database, run: Run, cuts: list[int], shared: dict[str, Any]
) -> None:
    whole = jobs_of(database, submit_sweep(database, sweep(**shared)))
    run(whole[0].id)
    cut = jobs_of(database, submit_sweep(database, sweep(**shared)))

    for number in cuts:
        run(cut[0].id, stopping_at(number), flush_epochs=2, flush_seconds=NEVER)
        assert {read(database, job.id).status for job in cut} == {"queued"}
    run(cut[-1].id, flush_epochs=2, flush_seconds=NEVER)

    for job, same in zip(cut, whole, strict=True):
        assert result_of(database, job.id) == result_of(database, same.id)
        assert numbers_of(database, Epoch, job.id) == numbers_of(database, Epoch, same.id)


def test_a_group_whose_worker_died_is_taken_up_from_its_last_flush(database: Database, run: Run) -> None:
    whole = jobs_of(database, submit_sweep(database, sweep()))
    run(whole[0].id)
    cut = jobs_of(database, submit_sweep(database, sweep()))

    class Died(BaseException):
        """Nobody catches it: it leaves things as they lie, as a kill does."""

    def die() -> None:
        raise Died

    with pytest.raises(Died):
        run(cut[0].id, AtStep(9, die), flush_epochs=2, flush_seconds=NEVER)
    change(database, lambda session: expire(session, cut))
    released = lost_jobs.release_jobs(database, expired(database), max_crashes=3)
    assert sorted(released) == [job.id for job in cut]
    run(cut[2].id)

    for job, same in zip(cut, whole, strict=True):
        again = read(database, job.id)
        assert (again.crashes, again.attempt) == (0, 2), "it had recorded epochs"
        assert result_of(database, job.id) == result_of(database, same.id)
        assert numbers_of(database, Epoch, job.id) == numbers_of(database, Epoch, same.id)


def expire(session: Session, jobs: list[Job]) -> None:
    """Let the leases of running jobs have run out."""
    expired = update(Job).where(Job.id.in_([job.id for job in jobs])).values(lease_until=jobs[0].created_at)
    session.execute(expired)


def test_a_group_that_advances_is_not_given_up_however_often_its_worker_dies(database: Database) -> None:
    jobs = jobs_of(database, submit_sweep(database, sweep()))
    for done in range(1, 7):
        mine = claim_group_of(database, jobs[0].id, lease_seconds=-1.0)
        assert mine
        changes = [JobChange(job.id, {"epochs_done": done}) for job in jobs]
        change(database, lambda session, mine=mine, changes=changes: mine.change(session, changes, -1.0))
        released = lost_jobs.release_jobs(database, expired(database), max_crashes=3)
        assert sorted(released) == [job.id for job in jobs]
    assert {(job.status, job.crashes) for job in (read(database, job.id) for job in jobs)} == {("queued", 0)}


def test_a_group_that_died_too_often_is_given_up(database: Database) -> None:
    jobs = jobs_of(database, submit_sweep(database, sweep()))
    for _ in range(3):
        assert claim_group_of(database, jobs[1].id, lease_seconds=-1.0)
        lost_jobs.release_jobs(database, expired(database), max_crashes=3)
    assert [read(database, job.id).error_code for job in jobs] == ["worker_lost"] * len(jobs)
    assert claim_group_of(database, jobs[0].id) is None


@pytest.mark.parametrize(
    "rhythm",
    [
        pytest.param({"flush_epochs": 2, "flush_seconds": NEVER, "beat_seconds": NEVER}, id="the flush notices"),
        pytest.param({"flush_epochs": NEVER, "flush_seconds": NEVER, "beat_seconds": 0.01}, id="the heartbeat notices"),
    ],
)
def test_one_job_of_a_group_is_cancelled_and_the_others_go_on(
    database: Database, run: Run, rhythm: dict[str, Any], wait_for_heartbeat: Callable[[], None]
) -> None:
    jobs = jobs_of(database, submit_sweep(database, sweep(epochs=30)))

    def cancel() -> None:
        service.jobs.jobs.cancel_job(database, jobs[1].id)
        if rhythm["beat_seconds"] < 1:
            wait_for_heartbeat()

    run(jobs[0].id, AtStep(5, cancel), **rhythm)

    statuses = [read(database, job.id).status for job in jobs]
    assert statuses == ["succeeded", "cancelled", "succeeded", "succeeded"]
    gone = read(database, jobs[1].id)
    assert 0 < gone.epochs_done < 30
    assert columns(database, gone.id)["checkpoint"] is None
    assert len(numbers_of(database, Epoch, gone.id)) == gone.epochs_done
    assert history_of(database, gone.id)[-1][:2] == (gone.epochs_done, "cancelled")


@pytest.mark.parametrize(
    "rhythm",
    [
        pytest.param({"flush_epochs": 2, "flush_seconds": NEVER, "beat_seconds": NEVER}, id="the flush notices"),
        pytest.param({"flush_epochs": NEVER, "flush_seconds": NEVER, "beat_seconds": 0.01}, id="the heartbeat notices"),
    ],
)
def test_one_job_of_a_group_is_paused_and_all_have_the_bits_of_a_group_that_was_not(
    database: Database, run: Run, rhythm: dict[str, Any], wait_for_heartbeat: Callable[[], None]
) -> None:
    shared = {"epochs": 30, "optimizer": {"name": "adam"}}
    whole = jobs_of(database, submit_sweep(database, sweep(**shared)))
    run(whole[0].id)
    jobs = jobs_of(database, submit_sweep(database, sweep(**shared)))

    def pause() -> None:
        service.jobs.pauses.pause_job(database, jobs[1].id)
        if rhythm["beat_seconds"] < 1:
            wait_for_heartbeat()

    run(jobs[0].id, AtStep(5, pause), **rhythm)

    assert [read(database, job.id).status for job in jobs] == ["succeeded", "paused", "succeeded", "succeeded"]
    paused = read(database, jobs[1].id)
    assert 0 < paused.epochs_done < 30
    assert history_of(database, paused.id)[-1][:2] == (paused.epochs_done, "paused")
    service.jobs.pauses.resume_job(database, FakeQueue(), paused.id)
    run(paused.id)
    for job, same in zip(jobs, whole, strict=True):
        assert result_of(database, job.id) == result_of(database, same.id)
        assert numbers_of(database, Epoch, job.id) == numbers_of(database, Epoch, same.id)


def test_members_of_a_group_that_stand_at_different_epochs_are_claimed_apart(database: Database, run: Run) -> None:
    whole = jobs_of(database, submit_sweep(database, sweep(epochs=40)))
    run(whole[0].id)
    jobs = jobs_of(database, submit_sweep(database, sweep(epochs=40)))
    service.jobs.pauses.pause_job(database, jobs[2].id)
    run(jobs[0].id, stopping_at(20), flush_epochs=1, flush_seconds=NEVER, beat_seconds=NEVER)
    assert [read(database, job.id).status for job in jobs] == ["queued", "queued", "paused", "queued"]
    service.jobs.pauses.resume_job(database, FakeQueue(), jobs[2].id)

    run(jobs[0].id)
    assert [read(database, job.id).status for job in jobs] == ["succeeded", "succeeded", "queued", "succeeded"]
    run(jobs[0].id)

    for job, same in zip(jobs, whole, strict=True):
        assert result_of(database, job.id) == result_of(database, same.id)


def test_all_jobs_of_a_group_are_paused_and_train_together_again(database: Database, run: Run) -> None:
    whole = jobs_of(database, submit_sweep(database, sweep()))
    run(whole[0].id)
    jobs = jobs_of(database, submit_sweep(database, sweep()))

    def pause_all() -> None:
        for job in jobs:
            service.jobs.pauses.pause_job(database, job.id)

    with capture_logs() as told:
        run(jobs[0].id, AtStep(5, pause_all), flush_epochs=1, flush_seconds=NEVER, beat_seconds=NEVER)
    assert [entry["event"] for entry in told if entry["log_level"] != "info"] == []
    assert {read(database, job.id).status for job in jobs} == {"paused"}
    for job in jobs:
        service.jobs.pauses.resume_job(database, FakeQueue(), job.id)
    run(jobs[0].id)

    for job, same in zip(jobs, whole, strict=True):
        assert result_of(database, job.id) == result_of(database, same.id)
        assert read(database, job.id).attempt == 2


def test_a_long_epoch_is_not_waited_for_to_cancel_a_job(
    database: Database, run: Run, wait_for_heartbeat: Callable[[], None]
) -> None:
    rows = {"x": np.arange(4_000.0).tolist(), "y": np.arange(4_000.0).tolist()}
    shared = {"batch_size": 1, "epochs": 2, "record": {"steps": "none"}, "engine": "fused"}
    jobs = jobs_of(database, submit_sweep(database, sweep([1e-12, 2e-12], **shared) | {"dataset": rows}))
    seen: list[str] = []

    def cancel() -> None:
        service.jobs.jobs.cancel_job(database, jobs[1].id)
        wait_for_heartbeat()

    class Watching(AtStep):
        def is_set(self) -> bool:
            if self._left == -3000:
                seen.append(read(database, jobs[1].id).status)
            return super().is_set()

    run(jobs[0].id, Watching(5, cancel), beat_seconds=0.02)

    assert seen == ["cancelled"]
    assert read(database, jobs[0].id).status == "succeeded"
    assert read(database, jobs[1].id).epochs_done == 0


@pytest.mark.parametrize("seconds", [0.0, 0.05], ids=["between two steps", "between two rounds"])
def test_a_whole_sweep_is_cancelled(
    database: Database,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    wait_for_heartbeat: Callable[[], None],
) -> None:
    monkeypatch.setattr("slope.engines.groups.fused._BLOCK_SECONDS", seconds)
    sweep_id = submit_sweep(database, sweep(epochs=100_000, engine="fused", record={"steps": "none", "every": 1000}))
    jobs = jobs_of(database, sweep_id)

    def cancel() -> None:
        service.jobs.sweeps.cancel_sweep(database, sweep_id)
        wait_for_heartbeat()

    with capture_logs() as told:
        run(jobs[0].id, AtStep(5, cancel), beat_seconds=0.05)

    assert [entry["event"] for entry in told if entry["log_level"] != "info"] == []
    assert {read(database, job.id).status for job in jobs} == {"cancelled"}


def test_a_group_that_is_out_of_time_fails(database: Database, run: Run) -> None:
    wanted = sweep(epochs=1_000_000, engine="fused", record={"steps": "none", "every": 10**6}) | {
        "timeout_seconds": 0.3
    }
    jobs = jobs_of(database, submit_sweep(database, wanted))

    run(jobs[0].id)

    for job in jobs:
        ended = read(database, job.id)
        assert (ended.status, ended.error_code) == ("failed", "timeout")
        assert ended.epochs_done > 0


def test_a_job_of_a_group_is_not_claimed_by_itself(database: Database, process: Process) -> None:
    jobs = jobs_of(database, submit_sweep(database, sweep()))

    alone = change(
        database,
        lambda session: claim_job(session, jobs[0].id, process.claimant),
    )

    assert alone is None
    assert claim_group_of(database, jobs[0].id)
    assert claim_group_of(database, jobs[1].id) is None


def test_who_lost_the_lease_writes_nothing(database: Database, run: Run) -> None:
    jobs = jobs_of(database, submit_sweep(database, sweep()))

    def lose() -> None:
        change(database, lambda session: expire(session, jobs))
        lost_jobs.release_jobs(database, expired(database), max_crashes=3)

    run(jobs[0].id, AtStep(4, lose), flush_epochs=1, flush_seconds=NEVER)

    for job in jobs:
        row = columns(database, job.id)
        assert (row["status"], row["crashes"]) == ("queued", 0)
        assert len(numbers_of(database, Epoch, job.id)) == row["epochs_done"] <= 2
    members = tuple(job.id for job in jobs)
    with pytest.raises(LeaseLost):
        change(database, lambda session: GroupLease(jobs[0].group_id, uuid7(), members).beat(session, 60.0))


def test_a_commit_whose_answer_was_lost_is_not_made_twice(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    whole, cut = (jobs_of(database, submit_sweep(database, sweep())) for _ in range(2))
    run(whole[0].id)
    commit, lost = Session.commit, []

    def commit_and_lose_the_answer(session: Session) -> None:
        commit(session)
        if session.bind is database.writer:
            lost.append(session)
            if len(lost) == 4:
                raise OperationalError("COMMIT", {}, Exception("gone"))

    monkeypatch.setattr(Session, "commit", commit_and_lose_the_answer)
    run(cut[0].id, flush_epochs=2, flush_seconds=NEVER, beat_seconds=NEVER)
    monkeypatch.undo()

    for job, same in zip(cut, whole, strict=True):
        assert read(database, job.id).status == "succeeded"
        assert numbers_of(database, Epoch, job.id) == numbers_of(database, Epoch, same.id)


@pytest.mark.parametrize("ending", ["timeout", "put back"])
def test_a_group_is_left_while_its_data_is_loaded(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    wanted = sweep() | ({"timeout_seconds": 0.3} if ending == "timeout" else {})
    jobs, stopping = jobs_of(database, submit_sweep(database, wanted)), Event()

    def endless(*_: Any) -> Iterator[Arrays]:
        if ending == "put back":
            stopping.set()
        while True:
            yield Arrays(np.empty((0, 1)), np.empty(0))

    monkeypatch.setattr("service.data.numbers.read_batches", endless)
    run(jobs[0].id, stopping, beat_seconds=0.05)

    expected = ("failed", "timeout") if ending == "timeout" else ("queued", None)
    assert {(job.status, job.error_code) for job in (read(database, job.id) for job in jobs)} == {expected}


def test_an_attempt_that_fails_is_told_of_every_job(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_of(database, submit_sweep(database, sweep()))

    def fail(*_: Any) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr("worker.groups.attempt.prepare", fail)
    run(jobs[0].id)

    assert [read(database, job.id).error_code for job in jobs] == ["out_of_memory"] * len(jobs)


def an_impossible_spec(job: Job) -> None:
    """As it was accepted before whole numbers had a bound."""
    job.spec = job.spec | {"schedule": {"name": "cosine", "T_max": 10**400}}


def a_torn_checkpoint(job: Job) -> None:
    job.checkpoint = b"torn"


@pytest.mark.parametrize("guilty", [0, 2, 6])
@pytest.mark.parametrize("spoil", [an_impossible_spec, a_torn_checkpoint])
def test_what_goes_wrong_for_one_job_ends_that_job_and_the_others_leave_their_bits(
    database: Database, run: Run, spoil: Callable[[Job], None], guilty: int
) -> None:
    rates = np.geomspace(0.001, 0.03, 7).tolist()
    whole, spoilt = (jobs_of(database, submit_sweep(database, sweep(rates))) for _ in range(2))
    run(whole[0].id)
    run(spoilt[0].id, stopping_at(15), flush_epochs=2, flush_seconds=NEVER)
    change(database, lambda session: spoil(session.get_one(Job, spoilt[guilty].id)))

    while waiting := [job.id for job in spoilt if read(database, job.id).status == "queued"]:
        run(waiting[0])

    for job, same in zip(spoilt, whole, strict=True):
        if job.place == guilty:
            ended = read(database, job.id)
            assert (ended.status, ended.error_code) == ("failed", "damaged")
        else:
            assert result_of(database, job.id) == result_of(database, same.id)
            assert numbers_of(database, Epoch, job.id) == numbers_of(database, Epoch, same.id)
            assert numbers_of(database, Step, job.id) == numbers_of(database, Step, same.id)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_step_that_was_not_recorded_is_replayed_to_the_same_bits(
    database: Database, run: Run, process: Process, monkeypatch: pytest.MonkeyPatch, shuffle: bool
) -> None:
    monkeypatch.setattr("worker.groups.attempt.snapshot_interval", lambda *_: 5)
    with_steps = sweep(shuffle=shuffle, epochs=30, record={"steps": "all"})
    without = sweep(shuffle=shuffle, epochs=30, record={"steps": "none", "every": 7})
    recorded, replayed = (jobs_of(database, submit_sweep(database, wanted)) for wanted in (with_steps, without))
    run(recorded[0].id)
    run(replayed[0].id)

    assert numbers_of(database, Step, replayed[1].id) == []
    with database.reading() as session:
        assert session.scalars(select(Snapshot.epoch).where(Snapshot.job_id == replayed[1].id)).all()
        job = session.get_one(Job, replayed[1].id)
        for epoch in (0, 3, 11, 29):
            expected = numbers_of(database, Step, recorded[1].id)
            page = pages.read_steps(session, process.storage, job, epoch, after=-1, limit=10)
            steps = [each.step for each in page.records]
            got = [(each.step, each.loss, each.gradient_weights, each.weights) for each in steps]
            assert got == [
                (row["step"], row["loss"], row["gradient_weights"], row["weights"])
                for row in expected
                if row["epoch"] == epoch
            ]


def test_what_cannot_be_fused_trains_alone(database: Database, process: Process) -> None:
    settings = [{"l2": 0.1}, {"l2": 0.2}, {"optimizer": {"name": "lbfgs"}}, {"batch_size": 3}, {"engine": "eager"}]
    wanted = request() | {"hyperparameters": BASE, "settings": settings}
    jobs = jobs_of(database, submit_sweep(database, wanted))

    assert [job.plan["engine"] for job in jobs] == ["fused", "fused", "eager", "eager", "eager"]
    assert "lbfgs" in jobs[2].plan["why"]
    assert "no other setting" in jobs[3].plan["why"]
    assert [job.place for job in jobs] == [0, 1, None, None, None]
    mine = claim(database, jobs[2].id, worker_id=process.worker_id)
    assert mine
    run_attempt(process, mine)
    assert read(database, jobs[2].id).status == "succeeded"
    assert TrainingSpec.model_validate(jobs[2].spec).optimizer.name == "lbfgs"


def test_a_job_of_a_group_that_ended_far_from_the_minimum_says_so(database: Database, run: Run) -> None:
    sweep_id = submit_sweep(database, sweep([1e-6, 0.03, 1e-5], epochs=40))
    far, near, other = (job.id for job in jobs_of(database, sweep_id))

    run(far)

    for job_id, told in ((far, True), (near, False), (other, True)):
        assert ((40, None, "far_from_minimum") in history_of(database, job_id)) == told
