"""Small groups that wait are claimed together and ended together, and each is as if it had been alone."""

from collections.abc import Callable
from dataclasses import replace
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from integration.worker.together import acting_at, die, history, release_all, remains, statuses
from sqlalchemy import event
from sqlalchemy.orm import Session
from workbench import LECTURE, FakeQueue, change, claim_group_of, jobs_of, read, request, submit, submit_sweep

from service.jobs import pauses
from service.store.database import Database
from service.store.jobs import jobs as stored
from worker import tasks
from worker.attempt import run_attempt
from worker.groups.attempt import GroupAttempt
from worker.groups.recorder import GroupRecorder
from worker.jobs import flush
from worker.process import Process
from worker.tasks import take_work

SWEEP: dict[str, Any] = request(epochs=4, record={"steps": "all"}) | {
    "grid": {"batch_size": [1, 2, 3], "learning_rate": [0.01, 1e30]}
}
"""Three groups of two, of which the second diverges."""
ENDS = ["succeeded", "failed"] * 3


@pytest.fixture
def process(process: Process) -> Process:
    """Whose machine may be slow: no flush and no beat is due before a group has ended."""
    settings = process.settings.model_copy(update={"flush_seconds": 1000.0, "beat_seconds": 1000.0})
    return replace(process, settings=settings)


@pytest.fixture
def waiting(database: Database) -> list[UUID]:
    return sweep_of(database)


@pytest.fixture
def alone(process: Process, database: Database) -> list[Any]:
    """What the same jobs leave when each group is claimed by itself."""
    job_ids = sweep_of(database)
    train_each(process, database, job_ids)
    return [remains(database, job_id) for job_id in job_ids]


def sweep_of(database: Database, wanted: dict[str, Any] = SWEEP) -> list[UUID]:
    return [job.id for job in jobs_of(database, submit_sweep(database, wanted))]


def train_each(process: Process, database: Database, job_ids: list[UUID]) -> None:
    for job_id in job_ids[::2]:
        mine = claim_group_of(database, job_id, worker_id=process.worker_id)
        assert mine
        run_attempt(process, mine)


def test_one_bell_trains_all_small_groups_that_wait_each_as_if_it_were_alone(
    process: Process, database: Database, alone: list[Any], waiting: list[UUID]
) -> None:
    begun: list[Any] = []
    note = begun.append
    event.listen(database.writer, "begin", note)

    assert take_work(process, waiting[0])

    event.remove(database.writer, "begin", note)
    assert statuses(database, waiting) == ENDS
    assert [remains(database, job_id) for job_id in waiting] == alone
    assert len(begun) == 2, "a claim and an end"


@pytest.mark.parametrize("at", ["the first", "the third", "the end"])
def test_groups_whose_process_dies_lose_nothing_and_the_crash_counts_against_none(
    process: Process,
    database: Database,
    alone: list[Any],
    waiting: list[UUID],
    monkeypatch: pytest.MonkeyPatch,
    at: str,
) -> None:
    with monkeypatch.context() as patch:
        if at == "the end":
            patch.setattr(flush, "write_records", die)
        else:
            patch.setattr(GroupAttempt, "train", acting_at(1 if at == "the first" else 3, die, GroupAttempt.train))
        with pytest.raises(SystemExit):
            take_work(process, waiting[0])
    assert statuses(database, waiting) == ["running"] * 6

    assert sorted(release_all(database)) == sorted(waiting)

    found = [read(database, job_id) for job_id in waiting]
    assert [(job.status, job.attempt, job.crashes, job.epochs_done) for job in found] == [("queued", 1, 0, 0)] * 6
    take_work(process, waiting[0])
    assert statuses(database, waiting) == [*ENDS[:2], *["queued"] * 4], "alone"
    for job_id in waiting[2::2]:
        take_work(process, job_id)
    assert [remains(database, job_id)[0] for job_id in waiting] == [former[0] for former in alone]


def test_a_group_that_kills_its_process_again_and_again_is_the_only_one_that_is_given_up(
    process: Process, database: Database, waiting: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = GroupAttempt.train

    def train_or_die(attempt: GroupAttempt) -> None:
        if attempt._first.id == waiting[2]:
            die()
        train(attempt)

    monkeypatch.setattr(GroupAttempt, "train", train_or_die)
    for _ in range(2):
        for job_id in waiting[::2]:
            try:
                take_work(process, job_id)
            except SystemExit:
                release_all(database)

    codes = [read(database, job_id).error_code for job_id in waiting]
    assert codes == [None, "diverged", "worker_lost", "worker_lost", None, "diverged"]


def test_a_group_of_several_that_fails_is_tried_in_halves_and_the_others_end(
    process: Process, database: Database, waiting: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ValueError("for the test")

    with monkeypatch.context() as patch:
        patch.setattr(GroupAttempt, "train", acting_at(3, fail, GroupAttempt.train))
        take_work(process, waiting[0])

    assert statuses(database, waiting) == [*ENDS[:4], "queued", "queued"]
    assert len({read(database, job_id).group_id for job_id in waiting}) == 4
    for job_id in waiting[4:]:
        take_work(process, job_id)
    assert statuses(database, waiting) == ENDS


def test_jobs_of_a_group_are_cancelled_and_paused_before_it_begins(
    process: Process,
    database: Database,
    alone: list[Any],
    waiting: list[UUID],
    monkeypatch: pytest.MonkeyPatch,
    wait_for_heartbeat: Callable[[], None],
) -> None:
    settings = process.settings.model_copy(update={"beat_seconds": 0.01})

    def wish() -> None:
        change(database, lambda session: stored.ask_to_cancel(session, waiting[3]))
        pauses.pause_job(database, waiting[4])
        wait_for_heartbeat()

    with monkeypatch.context() as patch:
        patch.setattr(GroupAttempt, "train", acting_at(1, wish, GroupAttempt.train))
        take_work(replace(process, settings=settings), waiting[0])

    assert statuses(database, waiting) == [*ENDS[:2], "succeeded", "cancelled", "paused", "queued"]
    assert history(database, waiting[3])[-1][-2:] == (0, "Cancelled after 0 epochs")
    pauses.resume_job(database, FakeQueue(), waiting[4])
    take_work(process, waiting[4])
    assert statuses(database, waiting)[4:] == ENDS[4:]
    assert [remains(database, job_id)[0] for job_id in waiting[4:]] == [left[0] for left in alone[4:]]


def test_the_time_of_a_group_begins_with_its_own_training(
    process: Process, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_ids = sweep_of(database, SWEEP | {"timeout_seconds": 1000.0})
    clock = [0.0]
    monkeypatch.setattr("worker.heartbeat.monotonic", lambda: clock[0])
    pass_time = acting_at(1, lambda: clock.append(clock.pop() + 1e6), GroupAttempt._flush)
    monkeypatch.setattr(GroupAttempt, "_flush", pass_time)

    take_work(process, job_ids[0])

    assert statuses(database, job_ids) == ENDS


def test_a_group_that_takes_longer_than_a_flush_lets_the_others_go(
    process: Process, database: Database, waiting: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[GroupAttempt] = []
    seen: list[list[str]] = []
    flushed, train = GroupRecorder._flush, GroupAttempt.train

    def note(recorder: GroupRecorder, *arguments: Any) -> Any:
        seen.append(statuses(database, waiting))
        return flushed(recorder, *arguments)

    monkeypatch.setattr("slope.engines.groups.fused._BLOCK_SECONDS", 0.0)
    monkeypatch.setattr(GroupRecorder, "_flush", note)
    monkeypatch.setattr(GroupRecorder, "is_due", property(lambda _: len(begun) == 2 and not seen))
    monkeypatch.setattr(GroupAttempt, "train", lambda attempt: (begun.append(attempt), train(attempt)))

    take_work(process, waiting[0])

    assert seen == [[*ENDS[:2], "running", "running", "queued", "queued"]]
    assert statuses(database, waiting) == [*ENDS[:4], "queued", "queued"]
    assert history(database, waiting[4])[-1][3] == "queued"


def test_a_process_that_is_to_end_ends_the_groups_it_has_trained_and_gives_back_the_rest(
    process: Process, database: Database, waiting: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = Event()
    monkeypatch.setattr(GroupAttempt, "train", acting_at(2, stopping.set, GroupAttempt.train))

    take_work(replace(process, stopping=stopping), waiting[0])

    assert statuses(database, waiting) == [*ENDS[:2], *["queued"] * 4]
    assert {read(database, job_id).crashes for job_id in waiting} == {0}


def test_groups_that_cannot_be_written_together_are_tried_alone(
    process: Process, database: Database, waiting: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = flush.write_records

    def fail_together(session: Session, flushed: flush.Flush) -> None:
        if len(flushed.changes) > 2:
            raise ValueError("for the test")
        written(session, flushed)

    monkeypatch.setattr(flush, "write_records", fail_together)

    take_work(process, waiting[0])
    assert statuses(database, waiting) == ["queued"] * 6
    for job_id in waiting[::2]:
        take_work(process, job_id)

    assert statuses(database, waiting) == ENDS


def test_jobs_that_train_alone_do_not_come_along_with_a_group(
    process: Process, database: Database, waiting: list[UUID]
) -> None:
    single, later = submit(database, LECTURE), sweep_of(database)

    take_work(process, waiting[0])

    assert statuses(database, [*waiting, single]) == [*ENDS, "queued"]
    assert statuses(database, later) == ["queued"] * 6, "none overtakes what has waited longer"


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # SQLite locks no rows
def test_a_group_of_which_somebody_has_locked_a_job_is_left_to_them(
    process: Process, database: Database, waiting: list[UUID]
) -> None:
    with database.writing() as session:
        stored.lock_job(session, waiting[3])

        take_work(process, waiting[0])  # would wait for ever if it waited

        assert statuses(database, waiting) == ["succeeded", "failed", "queued", "queued", "succeeded", "failed"]


@pytest.mark.parametrize(("most", "ended"), [(1, 2), (3, 2), (4, 4), (6, 6)])
def test_one_claim_has_no_more_jobs_of_several_groups_than_may_be(
    process: Process,
    database: Database,
    waiting: list[UUID],
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    ended: int,
) -> None:
    monkeypatch.setattr(tasks, "_MOST_TOGETHER", most)

    take_work(process, waiting[0])

    assert statuses(database, waiting) == ENDS[:ended] + ["queued"] * (6 - ended)
