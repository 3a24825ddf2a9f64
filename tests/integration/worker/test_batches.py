"""Small jobs that wait are claimed together and ended together, and each is as if it had been alone."""

from collections.abc import Callable
from dataclasses import replace
from threading import Event
from time import monotonic
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from integration.worker.together import acting_at, die, history, release_all, remains, statuses
from sqlalchemy import delete, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7
from workbench import LECTURE, FakeQueue, change, jobs_of, pass_an_hour, read, request, submit, submit_sweep

from service.jobs import pauses
from service.store.database import Database
from service.store.events import LeasedJob
from service.store.jobs import jobs as stored
from service.store.leases.claims import find_prospect
from service.store.leases.leases import AttemptLease
from service.store.tables import Job, Worker
from service.store.workers import add_worker
from slope.answers.metrics import CrossValidation
from slope.engines.costs import LITTLE_NUMBERS
from slope.spec import TrainingSpec
from worker.jobs import batch, flush
from worker.jobs.attempt import JobAttempt
from worker.jobs.cross_validation import cross_validate_job
from worker.jobs.recorder import Recorder
from worker.process import Process
from worker.tasks import take_work, work_on

STEPS = {"epochs": 4, "batch_size": 2, "record": {"steps": "all"}}
WANTED: list[dict[str, Any]] = [
    LECTURE,
    request(**STEPS, optimizer={"name": "adam"}),
    request(**STEPS, fit_bias=False),
    request(learning_rate=1e30, **STEPS),
]
"""Of models with different parameters; the last diverges."""
ENDS = ["succeeded", "succeeded", "succeeded", "failed"]


@pytest.fixture
def process(process: Process) -> Process:
    """Whose machine may be slow: no flush is due before a job has ended."""
    return replace(process, settings=process.settings.model_copy(update={"flush_seconds": 1000.0}))


@pytest.fixture
def waiting(database: Database) -> list[UUID]:
    return [submit(database, wanted) for wanted in WANTED]


@pytest.fixture
def alone(process: Process, database: Database) -> list[Any]:
    """What the same jobs leave when each has its own bell, and nobody waits."""
    left = []
    for wanted in WANTED:
        job_id = submit(database, wanted)
        take_work(process, job_id)
        left.append(remains(database, job_id))
    return left


def test_one_bell_trains_all_small_jobs_that_wait_each_as_if_it_were_alone(
    process: Process, database: Database, alone: list[Any], waiting: list[UUID]
) -> None:
    begun: list[Any] = []
    note = begun.append
    event.listen(database.writer, "begin", note)

    assert take_work(process, waiting[0])

    event.remove(database.writer, "begin", note)
    assert [remains(database, job_id) for job_id in waiting] == alone
    assert statuses(database, waiting) == ENDS
    assert len(begun) == 2, "a claim and an end"


def test_a_job_whose_cross_validation_looks_at_many_rows_is_no_companion(
    process: Process, database: Database, client: TestClient
) -> None:
    """It trains from its dataset's triangle in no time: until its rows have been read, others would wait for it."""
    table = b"x,y\n" + b"".join(b"%d,%d\n" % (row % 2, row % 7) for row in range(1 + LITTLE_NUMBERS // 2))
    dataset = client.post("/v1/datasets", content=table, headers={"Content-Type": "text/csv"}).json()["id"]
    large = request(engine="reduced") | {"dataset": {"id": dataset}}
    waiting = [submit(database, each) for each in (LECTURE, large, large | {"cross_validation": 3}, LECTURE)]
    assert read(database, waiting[2]).planned.from_triangle

    take_work(process, waiting[0])

    assert statuses(database, waiting) == ["succeeded", "succeeded", "queued", "queued"]


def test_a_cross_validation_that_takes_long_lets_go_of_what_waits_for_its_end(
    process: Process, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated = request() | {"cross_validation": 2}
    waiting = [submit(database, each) for each in (LECTURE, validated, LECTURE)]
    seen: list[list[str]] = []

    def validate(process: Process, job: Job, spec: TrainingSpec, pause: Callable[[], None]) -> CrossValidation:
        def late() -> None:
            monkeypatch.setattr(batch, "_LATE", 0.0)
            pause()
            seen.append(statuses(database, waiting))

        return cross_validate_job(process, job, spec, late)

    monkeypatch.setattr("worker.jobs.attempt.cross_validate_job", validate)
    take_work(process, waiting[0])

    assert seen
    assert seen[0] == ["succeeded", "running", "queued"]
    assert statuses(database, waiting) == ["succeeded", "succeeded", "queued"]


def test_all_jobs_of_a_batch_run_from_its_claim_on(
    process: Process, database: Database, waiting: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    look = acting_at(3, lambda: seen.append(statuses(database, waiting)), JobAttempt.train)
    monkeypatch.setattr(JobAttempt, "train", look)

    take_work(process, waiting[0])

    assert seen == [["running"] * 4]


@pytest.mark.parametrize("at", ["the first", "the third", "the end"])
def test_a_batch_whose_process_dies_loses_nothing_and_the_crash_counts_against_none(
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
            patch.setattr(JobAttempt, "train", acting_at(1 if at == "the first" else 3, die, JobAttempt.train))
        with pytest.raises(SystemExit):
            take_work(process, waiting[0])
    assert statuses(database, waiting) == ["running"] * 4

    assert sorted(release_all(database)) == sorted(waiting)

    found = [read(database, job_id) for job_id in waiting]
    assert [(job.status, job.attempt, job.crashes, job.epochs_done) for job in found] == [("queued", 1, 0, 0)] * 4
    for job_id in waiting:
        take_work(process, job_id)
    assert [read(database, job_id).attempt for job_id in waiting] == [2] * 4, "each alone"
    assert statuses(database, waiting) == ENDS
    for job_id, former in zip(waiting, alone, strict=True):
        assert remains(database, job_id)[0] == former[0], "the same records, each once"


def test_a_job_that_kills_its_process_again_and_again_is_the_only_one_that_is_given_up(
    process: Process, database: Database, waiting: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    deadly = waiting[2]
    train = JobAttempt.train

    def train_or_die(attempt: JobAttempt) -> None:
        if attempt._job.id == deadly:
            die()
        train(attempt)

    monkeypatch.setattr(JobAttempt, "train", train_or_die)
    for _ in range(3):
        for job_id in waiting:
            try:
                take_work(process, job_id)
            except SystemExit:
                release_all(database)

    assert read(database, deadly).error_code == "worker_lost"
    assert [read(database, job_id).error_code for job_id in waiting if job_id != deadly] == [None, None, "diverged"]


def test_a_job_of_a_batch_that_fails_fails_alone(
    process: Process, database: Database, waiting: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ValueError("for the test")

    monkeypatch.setattr(JobAttempt, "train", acting_at(2, fail, JobAttempt.train))

    take_work(process, waiting[0])

    assert statuses(database, waiting) == ["succeeded", "failed", "succeeded", "failed"]
    assert read(database, waiting[1]).error_detail == "ValueError: for the test"


def test_a_job_of_a_batch_is_cancelled_before_it_begins(
    process: Process,
    database: Database,
    waiting: list[UUID],
    monkeypatch: pytest.MonkeyPatch,
    wait_for_heartbeat: Callable[[], None],
) -> None:
    settings = process.settings.model_copy(update={"beat_seconds": 0.01})

    def cancel() -> None:
        change(database, lambda session: stored.ask_to_cancel(session, waiting[2]))
        wait_for_heartbeat()

    monkeypatch.setattr(JobAttempt, "train", acting_at(2, cancel, JobAttempt.train))

    take_work(replace(process, settings=settings), waiting[0])

    assert statuses(database, waiting)[1:3] == ["succeeded", "cancelled"]
    assert history(database, waiting[2])[-1][-2:] == (0, "Cancelled after 0 epochs")


def test_a_job_of_a_batch_is_paused_before_it_begins_and_those_behind_it_wait_again(
    process: Process,
    database: Database,
    alone: list[Any],
    waiting: list[UUID],
    monkeypatch: pytest.MonkeyPatch,
    wait_for_heartbeat: Callable[[], None],
) -> None:
    settings = process.settings.model_copy(update={"beat_seconds": 0.01})

    def pause() -> None:
        pauses.pause_job(database, waiting[2])
        wait_for_heartbeat()

    with monkeypatch.context() as patch:
        patch.setattr(JobAttempt, "train", acting_at(2, pause, JobAttempt.train))
        take_work(replace(process, settings=settings), waiting[0])

    assert statuses(database, waiting) == ["succeeded", "succeeded", "paused", "queued"]
    assert history(database, waiting[2])[-1][-2:] == (0, "Paused after 0 epochs")
    pauses.resume_job(database, FakeQueue(), waiting[2])
    take_work(process, waiting[2])
    take_work(process, waiting[3])
    assert statuses(database, waiting) == ENDS
    assert [remains(database, job_id)[0] for job_id in waiting] == [left[0] for left in alone]


def test_the_time_of_a_job_begins_with_its_own_training(
    process: Process, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_ids = [submit(database, LECTURE), submit(database, LECTURE | {"timeout_seconds": 100.0})]
    clock = [0.0]
    monkeypatch.setattr("worker.heartbeat.monotonic", lambda: clock[0])
    monkeypatch.setattr(JobAttempt, "train", acting_at(1, lambda: clock.append(clock.pop() + 1e6), JobAttempt.train))

    take_work(process, job_ids[0])

    assert statuses(database, job_ids) == ["succeeded", "succeeded"]


def test_a_job_that_takes_longer_than_a_flush_lets_the_others_go(
    process: Process, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_ids = [submit(database, wanted) for wanted in (LECTURE, request(epochs=20), LECTURE)]
    seen: list[list[str]] = []
    monkeypatch.setattr(Recorder, "is_due", property(lambda recorder: recorder.epochs_done == 10 and not seen))
    flushed = Recorder._flush

    def note(recorder: Recorder, *arguments: Any) -> Any:
        seen.append(statuses(database, job_ids))
        return flushed(recorder, *arguments)

    monkeypatch.setattr(Recorder, "_flush", note)
    monkeypatch.setattr(JobAttempt, "_flush_when_due", flush_in_the_second(job_ids[1], JobAttempt._flush_when_due))

    take_work(process, job_ids[0])

    assert seen == [["succeeded", "running", "queued"]]
    assert statuses(database, job_ids) == ["succeeded", "succeeded", "queued"]
    assert history(database, job_ids[2])[-1][3] == "queued"


def flush_in_the_second(job_id: UUID, flush_when_due: Callable[[JobAttempt], None]) -> Callable[[JobAttempt], None]:
    def flush(attempt: JobAttempt) -> None:
        if attempt._job.id == job_id:
            flush_when_due(attempt)

    return flush


def test_jobs_that_have_not_begun_when_it_is_late_are_others_to_take(
    process: Process, database: Database, waiting: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [monotonic()]
    monkeypatch.setattr(batch, "monotonic", lambda: clock[0])
    monkeypatch.setattr(JobAttempt, "train", acting_at(2, lambda: clock.append(clock.pop() + 1e6), JobAttempt.train))

    take_work(process, waiting[0])

    assert statuses(database, waiting) == ["succeeded", "succeeded", "queued", "queued"]


def test_the_time_of_a_job_that_was_given_back_before_it_began_does_not_pass_while_it_waits(
    process: Process, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_ids = [submit(database, LECTURE), submit(database, LECTURE | {"timeout_seconds": 60.0})]
    clock = [monotonic()]
    monkeypatch.setattr(batch, "monotonic", lambda: clock[0])
    monkeypatch.setattr(JobAttempt, "train", acting_at(1, lambda: clock.append(clock.pop() + 1e6), JobAttempt.train))
    take_work(process, job_ids[0])
    assert statuses(database, job_ids) == ["succeeded", "queued"]

    change(database, pass_an_hour)
    take_work(process, job_ids[1])

    assert statuses(database, job_ids) == ["succeeded", "succeeded"]


def test_the_time_of_jobs_whose_process_died_while_one_of_them_trained_begins_anew(
    process: Process, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows which it was, and the others only waited."""
    job_ids = [submit(database, LECTURE | {"timeout_seconds": 60.0}) for _ in range(2)]
    with monkeypatch.context() as patch:
        patch.setattr(JobAttempt, "train", acting_at(1, die, JobAttempt.train))
        with pytest.raises(SystemExit):
            take_work(process, job_ids[0])
    release_all(database)

    change(database, pass_an_hour)
    for job_id in job_ids:
        take_work(process, job_id)

    assert statuses(database, job_ids) == ["succeeded", "succeeded"]


def test_what_has_ended_and_what_is_given_back_is_locked_together(
    process: Process, database: Database, waiting: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In two parts, it could stand in the way of a beat, which locks all of them in the order of the ids."""
    locked, look = list[list[UUID]](), AttemptLease.leased_jobs

    def note(lease: AttemptLease, session: Session, *, lock: bool = False) -> dict[UUID, LeasedJob]:
        found = look(lease, session, lock=lock)
        if lock:
            locked.append(list(found))
        return found

    monkeypatch.setattr(AttemptLease, "leased_jobs", note)
    monkeypatch.setattr(JobAttempt, "train", acting_at(2, process.stopping.set, JobAttempt.train))

    take_work(process, waiting[0])

    assert statuses(database, waiting) == ["succeeded", "queued", "queued", "queued"]
    assert locked[0] == sorted(waiting)


def test_a_process_that_is_to_end_ends_what_it_has_trained_and_gives_back_the_rest(
    process: Process, database: Database, waiting: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = Event()
    monkeypatch.setattr(JobAttempt, "train", acting_at(2, stopping.set, JobAttempt.train))

    take_work(replace(process, stopping=stopping), waiting[0])

    assert statuses(database, waiting) == ["succeeded", "queued", "queued", "queued"]
    assert {read(database, job_id).crashes for job_id in waiting} == {0}


def test_ends_that_cannot_be_written_together_are_tried_alone(
    process: Process, database: Database, waiting: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = flush.write_records

    def fail_together(session: Session, flushed: flush.Flush) -> None:
        if len(flushed.changes) > 1:
            raise ValueError("for the test")
        written(session, flushed)

    monkeypatch.setattr(flush, "write_records", fail_together)

    take_work(process, waiting[0])
    assert statuses(database, waiting) == ["queued"] * 4
    for job_id in waiting:
        take_work(process, job_id)

    assert statuses(database, waiting) == ENDS


def test_an_end_whose_answer_was_lost_is_not_written_twice(
    process: Process, database: Database, alone: list[Any], waiting: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, lost = Session.commit, []

    def commit_and_lose_the_answer(session: Session) -> None:
        commit(session)
        if session.bind is database.writer and flushed:
            lost.append(session)
            flushed.clear()
            raise OperationalError("COMMIT", None, Exception("the answer was lost"))

    flushed: list[Any] = []
    written = flush.write_records
    monkeypatch.setattr(flush, "write_records", lambda *given: (flushed.append(given), written(*given)))
    monkeypatch.setattr(Session, "commit", commit_and_lose_the_answer)

    take_work(process, waiting[0])

    assert len(lost) == 1
    assert [remains(database, job_id) for job_id in waiting] == alone


def test_a_bell_for_a_job_that_is_taken_is_for_the_job_that_has_waited_longest(
    process: Process, database: Database, waiting: list[UUID]
) -> None:
    take_work(process, waiting[1])
    later = [submit(database, LECTURE), submit(database, LECTURE)]

    assert take_work(process, waiting[3])

    assert statuses(database, [*waiting, *later]) == [*ENDS, "succeeded", "succeeded"]


@pytest.mark.parametrize("look", [1, 2])
def test_a_bell_for_a_job_that_was_deleted_is_for_the_job_that_has_waited_longest(
    process: Process, database: Database, waiting: list[UUID], look: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = request(epochs=50_000, record={"steps": "none", "every": 50_000})
    named, large = submit(database, LECTURE), [submit(database, long) for _ in range(2)]
    monkeypatch.setattr("worker.tasks._ROUND_SECONDS", 1000.0)

    def lose() -> None:
        change(database, lambda session: session.execute(delete(Job).where(Job.id == named)))

    monkeypatch.setattr("worker.tasks.find_prospect", acting_at(look, lose, find_prospect))
    work_on(process, named)

    assert statuses(database, [*waiting, *large]) == [*ENDS, "succeeded", "succeeded"]


def test_a_job_with_a_bell_of_its_own_is_the_first_of_its_batch(
    process: Process, database: Database, waiting: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[UUID] = []
    train = JobAttempt.train
    monkeypatch.setattr(JobAttempt, "train", lambda attempt: (order.append(attempt._job.id), train(attempt)))

    take_work(process, waiting[2])

    assert order == [waiting[2], waiting[0], waiting[1], waiting[3]]


def test_a_larger_job_is_not_overtaken_by_those_that_came_after_it(process: Process, database: Database) -> None:
    large = request(epochs=100_000)
    first, between, last = (submit(database, wanted) for wanted in (LECTURE, large, LECTURE))

    take_work(process, first)

    assert statuses(database, [first, between, last]) == ["succeeded", "queued", "queued"]


def test_a_group_is_claimed_as_a_group(process: Process, database: Database) -> None:
    first = submit(database, LECTURE)
    sweep = jobs_of(database, submit_sweep(database, request(batch_size=2) | {"grid": {"learning_rate": [0.1, 0.2]}}))

    take_work(process, first)

    assert {read(database, job.id).status for job in sweep} == {"queued"}


@pytest.mark.parametrize(("slots", "ended"), [(1, 4), (3, 2), (9, 1)])
def test_every_slot_has_its_share_of_those_that_wait(
    process: Process, database: Database, waiting: list[UUID], slots: int, ended: int
) -> None:
    for number in range(slots):
        change(database, lambda session, number=number: add_worker(session, _worker(number)))

    take_work(process, waiting[0])

    assert statuses(database, waiting) == ENDS[:ended] + ["queued"] * (4 - ended)


def _worker(number: int) -> Worker:
    device = {"name": "cpu", "description": "the test's"}
    return Worker(id=uuid7(), hostname="test", process_id=number, version="0", devices=[device], slots=1)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # SQLite locks no rows
def test_what_somebody_else_has_locked_is_left_to_them(
    process: Process, database: Database, waiting: list[UUID]
) -> None:
    with database.writing() as session:
        stored.lock_job(session, waiting[1])

        take_work(process, waiting[0])

        assert statuses(database, waiting) == ["succeeded", "queued", "succeeded", "failed"]


def test_as_many_are_taken_as_fit_into_one_flush(process: Process, database: Database) -> None:
    job_ids = [submit(database, LECTURE) for _ in range(6)]
    few = process.settings.model_copy(update={"flush_epochs": 30})

    take_work(replace(process, settings=few), job_ids[0])

    assert statuses(database, job_ids) == ["succeeded"] * 3 + ["queued"] * 3
