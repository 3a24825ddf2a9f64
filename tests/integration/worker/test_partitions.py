"""Data that is reduced in partitions: the numbers are the same whoever does it, and whatever befalls them."""

from collections.abc import Callable
from dataclasses import replace
from threading import Event, Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7
from workbench import FakeQueue, abandoned, change, claim, claimed, columns, problem_of, read, submit

import slope.engines.costs
from service.errors import StorageUnavailable
from service.jobs import pauses
from service.store.database import Database
from service.store.jobs import jobs
from service.store.leases import lost_leases, partitions
from service.store.leases.leases import Claimant
from service.store.leases.partitions import PartitionLease
from service.store.tables import Job, Partition
from slope.engines.reduction.partitioned import PartitionedData
from worker.attempt import run_attempt
from worker.jobs.attempt import JobAttempt
from worker.process import Process
from worker.tasks import take_work
from worker.upkeep.broker_monitor import BrokerMonitor
from worker.upkeep.reaper import Reaper

ROWS, PARTITIONS = 40, 10
REQUEST: dict[str, Any] = {
    "dataset": {"x": [[row % 7, row % 5 - 0.5] for row in range(ROWS)], "y": [row % 3 + 0.25 for row in range(ROWS)]},
    "hyperparameters": {
        "epochs": 6,
        "batch_size": "full",
        "engine": "reduced",
        "optimizer": {"name": "adam"},
        "validation_fraction": 0.2,
        "record": {"steps": "none", "every": 2},
    },
}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data of forty rows counts as large: an object, four rows a row group, and as many a partition."""
    monkeypatch.setattr("service.data.new_datasets.MOST_IN_ROW", 0)
    monkeypatch.setattr(slope.engines.costs, "MOST_NUMBERS_AT_ONCE", 0)
    monkeypatch.setattr(slope.engines.costs, "PARTITION_NUMBERS", 9)
    monkeypatch.setattr("slope.tabular.stored.NUMBERS_AT_ONCE", 12)


@pytest.fixture
def other(process: Process, queue: FakeQueue) -> Process:
    """Another worker. Both are alive, and have one slot."""
    other = replace(process, worker_id=uuid7(), stopping=Event())
    for each in (process, other):
        Reaper(each, 1, BrokerMonitor(each, lambda: True)).run_once()
    queue.rung.clear()
    return other


@pytest.fixture
def reduced(monkeypatch: pytest.MonkeyPatch) -> list[range]:
    """All rows that were reduced so far, whoever did it."""
    found: list[range] = []
    reduce = PartitionedData.reduce

    def note(self: PartitionedData, rows: range, pause: Callable[[], None]) -> Any:
        found.append(rows)
        return reduce(self, rows, pause)

    monkeypatch.setattr(PartitionedData, "reduce", note)
    return found


def train(process: Process, job_id: UUID) -> None:
    mine = claim(process.database, job_id, worker_id=process.worker_id)
    assert mine
    run_attempt(process, mine)


def result(database: Database, job_id: UUID) -> dict[str, Any]:
    row = columns(database, job_id)
    return {name: row[name] for name in ("status", "weights", "bias", "loss_first", "loss_last", "loss_validation")}


def done_by(database: Database, job_id: UUID) -> list[UUID | None]:
    """Which worker has reduced each partition."""
    with database.reading() as session:
        query = select(Partition).where(Partition.job_id == job_id).order_by(Partition.number)
        return [partition.worker_id for partition in session.scalars(query)]


def wanted(**hyperparameters: Any) -> dict[str, Any]:
    return REQUEST | {"hyperparameters": REQUEST["hyperparameters"] | hyperparameters}


@pytest.mark.parametrize("standardize", [False, True])
def test_a_job_needs_nobody_s_help(standardize: bool, client: TestClient, database: Database, process: Process) -> None:
    request = wanted(standardize=standardize) | {"predict": [[1.0, 2.0], [-3.0, 0.5]]}
    job_id = submit(database, request)
    in_memory = submit(database, request | wanted(standardize=standardize, engine="eager", dtype="float64"))
    train(process, job_id)
    train(process, in_memory)

    job, whole = (client.get(f"/v1/jobs/{each}").json() for each in (job_id, in_memory))
    assert job["status"] == whole["status"] == "succeeded"
    assert (job["plan"]["partitions"], job["progress"]["partitions_done"]) == (PARTITIONS, PARTITIONS)
    assert (whole["plan"]["partitions"], whole["progress"]["partitions_done"]) == (1, None)
    assert done_by(database, job_id) == [process.worker_id] * PARTITIONS
    assert job["weights"] == pytest.approx(whole["weights"], rel=1e-12)
    assert job["loss"].pop("cross_validation") is whole["loss"].pop("cross_validation") is None
    assert job["loss"] == pytest.approx(whole["loss"], rel=1e-12)
    assert (job["scaled"] is None) == (not standardize)
    predicted, same = (client.get(f"/v1/jobs/{each}/predictions").json()["data"] for each in (job_id, in_memory))
    for when in ("before", "after"):
        assert [each[when] for each in predicted] == pytest.approx([each[when] for each in same], rel=1e-6)


def test_a_standardized_job_that_lost_its_worker_before_its_end_keeps_its_scale(
    database: Database, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = wanted(standardize=True) | {"predict": [[1.0, 2.0]]}
    undisturbed, cut = submit(database, request), submit(database, request)
    train(process, undisturbed)
    mine = claim(database, cut, worker_id=process.worker_id)
    assert mine
    hurried = replace(process, settings=process.settings.model_copy(update={"flush_epochs": 1}))
    with monkeypatch.context() as patch:
        patch.setattr(JobAttempt, "_succeed", killed_after(0, JobAttempt._succeed))
        with pytest.raises(SystemExit):
            run_attempt(hurried, mine)
    change(database, lambda session: lost_leases.release_lost(session, abandoned(mine), max_crashes=3))
    assert read(database, cut).epochs_done == read(database, cut).epochs

    train(process, cut)

    for name in ("weights", "bias", "scaler", "predictions_before", "predictions_after"):
        assert columns(database, cut)[name] == columns(database, undisturbed)[name]
    assert columns(database, cut)["scaler"]


def test_whoever_hears_the_bell_helps_and_the_bits_are_the_same(
    database: Database, process: Process, other: Process, queue: FakeQueue, reduced: list[range]
) -> None:
    by_one, by_two = submit(database, REQUEST), submit(database, REQUEST)
    train(process, by_one)
    reduced.clear()
    queue.rung.clear()
    queue.at_ring = lambda job_id: take_work(other, job_id)
    train(process, by_two)

    assert queue.rung == [(by_two, "auto")] * 2, "for the other, and for the leader's own worker, which is busy"
    assert done_by(database, by_two) == [other.worker_id] * PARTITIONS
    assert len(reduced) == PARTITIONS
    assert result(database, by_two) == result(database, by_one)


def takes_one(database: Database, queue: FakeQueue, other: Process, *, lease_seconds: float) -> list[PartitionLease]:
    """Another takes a partition when the bell is rung, and does nothing with it."""
    taken: list[PartitionLease] = []

    def take(job_id: UUID) -> None:
        queue.at_ring = lambda _: None
        taken.append(
            change(
                database,
                lambda session: partitions.claim_partition(
                    session, job_id, uuid4(), Claimant(other.worker_id, 4711, [], lease_seconds)
                ),
            )
        )

    queue.at_ring = take
    return taken


def test_the_leader_waits_for_a_partition_that_another_has(
    database: Database, process: Process, other: Process, queue: FakeQueue
) -> None:
    taken = takes_one(database, queue, other, lease_seconds=60)
    job_id = submit(database, REQUEST)
    leader = Thread(target=train, args=(process, job_id))
    leader.start()
    one_is_left = (PARTITIONS - 1, 1)
    wait_until(lambda: change(database, lambda session: partitions.count_partitions(session, job_id)) == one_is_left)
    assert read(database, job_id).status == "running"
    change(database, lambda session: taken[0].put_back(session))
    leader.join(30)

    assert read(database, job_id).status == "succeeded"


def test_the_partition_of_a_helper_that_died_is_done_by_the_leader(
    database: Database, process: Process, other: Process, queue: FakeQueue
) -> None:
    takes_one(database, queue, other, lease_seconds=0.3)
    job_id = submit(database, REQUEST)
    train(process, job_id)

    assert read(database, job_id).status == "succeeded"
    assert done_by(database, job_id) == [process.worker_id] * PARTITIONS


def test_what_is_reduced_is_not_reduced_again_after_a_crash(
    database: Database, process: Process, reduced: list[range], monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, cut = submit(database, REQUEST), submit(database, REQUEST)
    train(process, undisturbed)
    reduced.clear()
    mine = claim(database, cut, worker_id=process.worker_id)
    assert mine
    reduce = PartitionedData.reduce
    monkeypatch.setattr(PartitionedData, "reduce", killed_after(4, reduce))
    with pytest.raises(SystemExit):
        run_attempt(process, mine)
    monkeypatch.setattr(PartitionedData, "reduce", reduce)
    change(database, lambda session: lost_leases.release_lost(session, abandoned(mine), max_crashes=3))
    change(database, lambda session: session.execute(Partition.__table__.update().values(lease_until=None)))

    train(process, cut)

    assert len(reduced) == PARTITIONS
    assert result(database, cut) == result(database, undisturbed)


def killed_after(count: int, reduce: Callable[..., Any]) -> Callable[..., Any]:
    left = [count]

    def until_killed(*arguments: Any) -> Any:
        if left[0] == 0:
            raise SystemExit
        left[0] -= 1
        return reduce(*arguments)

    return until_killed


def test_a_job_is_cancelled_while_its_leader_waits(
    database: Database, process: Process, other: Process, queue: FakeQueue
) -> None:
    takes_one(database, queue, other, lease_seconds=60)
    job_id = submit(database, REQUEST)
    hurried = replace(process, settings=process.settings.model_copy(update={"beat_seconds": 0.02}))
    leader = Thread(target=train, args=(hurried, job_id))
    leader.start()
    wait_until(lambda: read(database, job_id).partitions_done == PARTITIONS - 1)
    change(database, lambda session: jobs.ask_to_cancel(session, job_id))
    leader.join(30)

    assert read(database, job_id).status == "cancelled"


def test_a_job_is_paused_while_its_leader_waits_and_has_the_bits_of_one_that_was_not(
    database: Database, process: Process, other: Process, queue: FakeQueue
) -> None:
    undisturbed = submit(database, REQUEST)
    train(process, undisturbed)
    takes_one(database, queue, other, lease_seconds=60)
    job_id = submit(database, REQUEST)
    hurried = replace(process, settings=process.settings.model_copy(update={"beat_seconds": 0.02}))
    leader = Thread(target=train, args=(hurried, job_id))
    leader.start()
    wait_until(lambda: read(database, job_id).partitions_done == PARTITIONS - 1)
    pauses.pause_job(database, job_id)
    leader.join(30)
    assert read(database, job_id).status == "paused"

    pauses.resume_job(database, FakeQueue(), job_id)
    train(process, job_id)

    assert result(database, job_id) == result(database, undisturbed)


def test_a_leader_that_is_to_leave_puts_back_the_job_and_its_partition(
    database: Database, process: Process, reduced: list[range]
) -> None:
    job_id = submit(database, REQUEST)
    stopping = Event()
    leader = replace(process, stopping=stopping)
    original = PartitionedData.reduce

    def leave(self: PartitionedData, rows: range, pause: Callable[[], None]) -> Any:
        if len(reduced) == 3:
            stopping.set()
        return original(self, rows, pause)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PartitionedData, "reduce", leave)
        train(leader, job_id)

    assert read(database, job_id).status == "queued"
    assert read(database, job_id).crashes == 0
    assert done_by(database, job_id) == [process.worker_id] * 3 + [None] * (PARTITIONS - 3)
    train(process, job_id)
    assert read(database, job_id).status == "succeeded"


@pytest.mark.parametrize("error", [StorageUnavailable(), MemoryError(), ValueError("for the test")])
def test_a_helper_that_cannot_leaves_the_partition_to_others(
    error: Exception, database: Database, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = led(database)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(PartitionedData, "reduce", fail)
    take_work(process, job_id)

    assert change(database, lambda session: partitions.count_partitions(session, job_id)) == (0, 2)
    assert done_by(database, job_id) == [None, None]
    assert read(database, job_id).status == "running"


def test_a_helper_without_the_memory_takes_nothing(
    database: Database, process: Process, other: Process, reduced: list[range]
) -> None:
    job_id = led(database)
    large = update(Job).where(Job.id == job_id).values(plan=read(database, job_id).plan | {"memory_bytes": 10**15})
    change(database, lambda session: session.execute(large))

    take_work(other, job_id)

    assert reduced == []


@pytest.mark.parametrize("device", ["cuda", "cuda:3"])
def test_a_helper_without_the_device_takes_nothing(
    device: str, database: Database, process: Process, reduced: list[range]
) -> None:
    job_id = led(database, device=device)

    take_work(process, job_id)

    assert reduced == []


def test_a_bell_for_a_job_that_is_not_or_has_nothing_to_share_is_let_go(
    database: Database, process: Process, reduced: list[range]
) -> None:
    take_work(process, uuid4())
    take_work(process, claimed(database, REQUEST).job_id)

    assert reduced == []


def led(database: Database, **wanted: Any) -> UUID:
    """A running job that its leader has cut in two."""
    job_id = submit(database, REQUEST | wanted)
    mine = claim(database, job_id, devices=["auto", "cuda", "cuda:3"])
    assert mine
    half = ROWS // 2
    change(database, lambda session: partitions.cut_job(session, job_id, [range(half), range(half, ROWS)]))
    return job_id


def test_a_broker_that_is_away_costs_nothing_but_the_help(
    database: Database, process: Process, other: Process, queue: FakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.partitions.monotonic", lambda: 0.0)  # no time passes, however slow the machine is
    queue.is_up = False
    job_id = submit(database, REQUEST)
    queue.rung.clear()
    train(process, job_id)

    assert read(database, job_id).status == "succeeded"
    assert len(queue.rung) == 1, "it is not asked again at once"


def test_a_helper_gives_others_their_turn(
    database: Database, process: Process, queue: FakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = led(database)
    monkeypatch.setattr("worker.partitions._HELP_SECONDS", 0.0)
    queue.rung.clear()

    take_work(process, job_id)

    assert change(database, lambda session: partitions.count_partitions(session, job_id)) == (1, 1)
    assert queue.rung == [(job_id, "auto")], "and is heard again when they have had it"


def test_a_leader_waits_for_the_storage_and_is_cancelled_all_the_same(
    database: Database, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StorageUnavailable

    job_id = submit(database, REQUEST)
    monkeypatch.setattr(PartitionedData, "reduce", away)
    hurried = replace(process, settings=process.settings.model_copy(update={"beat_seconds": 0.02}))
    leader = Thread(target=train, args=(hurried, job_id))
    leader.start()
    wait_until(lambda: read(database, job_id).status == "running")
    change(database, lambda session: jobs.ask_to_cancel(session, job_id))
    leader.join(30)

    assert read(database, job_id).status == "cancelled"


def test_a_commit_whose_answer_was_lost_costs_no_partition(
    database: Database, process: Process, monkeypatch: pytest.MonkeyPatch, reduced: list[range]
) -> None:
    job_id, lost = submit(database, REQUEST), []
    commit = Session.commit

    def commit_and_lose_the_answer(session: Session) -> None:
        commit(session)
        if session.bind is database.writer and len(lost) < 5 and len(reduced) > len(lost):
            lost.append(session)
            raise OperationalError("COMMIT", {}, Exception("the answer was lost"))

    monkeypatch.setattr(Session, "commit", commit_and_lose_the_answer)
    train(process, job_id)

    assert len(lost) == 5
    assert read(database, job_id).status == "succeeded"
    assert sorted(reduced, key=lambda rows: rows.start) == [range(start, start + 4) for start in range(0, ROWS, 4)]


@pytest.mark.parametrize("standardize", [False, True])
def test_steps_are_replayed_from_what_the_partitions_were_reduced_to(
    standardize: bool, client: TestClient, database: Database, process: Process, reduced: list[range]
) -> None:
    job_id = submit(database, wanted(standardize=standardize))
    train(process, job_id)
    reduced.clear()

    answer = client.get(f"/v1/jobs/{job_id}/epochs/3/steps")

    assert answer.status_code == 200
    [step] = answer.json()["data"]
    assert len(step["gradient"]["weights"]) == 2
    assert reduced == []
    assert client.get(f"/v1/jobs/{job_id}/epochs/3/steps/0/graph").status_code == 200


def test_a_full_batch_of_large_data_has_no_graph(
    client: TestClient, database: Database, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(database, REQUEST)
    train(process, job_id)
    monkeypatch.setattr("service.records.graphs.MAX_AUDITED_NUMBERS", 95)
    monkeypatch.setattr("service.records.replay.prepared_data", lambda *_: pytest.fail("the data was loaded"))

    problem = problem_of(client.get(f"/v1/jobs/{job_id}/epochs/3/steps/0/graph"), 422)

    assert problem["type"] == "/problems/step-too-large"
    assert "96 numbers" in problem["detail"]


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        Event().wait(0.05)
    pytest.fail("it did not come to that")


@pytest.mark.parametrize("standardize", [False, True])
def test_a_job_whose_data_went_by_says_how_far_from_the_minimum_it_ended(
    standardize: bool, client: TestClient, database: Database, process: Process
) -> None:
    for rate, told in ((1e-5, True), (0.5, False)):
        job_id = submit(database, wanted(standardize=standardize, epochs=200, learning_rate=rate))
        train(process, job_id)
        warnings = client.get(f"/v1/jobs/{job_id}").json()["warnings"]
        assert any("far from the minimum" in warning for warning in warnings) == told


def test_how_far_it_ended_is_not_asked_where_that_would_take_too_long(
    client: TestClient, database: Database, process: Process
) -> None:
    hurried = replace(process, settings=process.settings.model_copy(update={"analysis_seconds": 0.0}))
    job_id = submit(database, wanted(learning_rate=1e-5))
    train(hurried, job_id)
    job = client.get(f"/v1/jobs/{job_id}").json()
    assert (job["status"], job["warnings"]) == ("succeeded", [])
