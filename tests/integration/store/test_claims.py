"""Who may write for a job: one attempt at a time, for as long as its lease, and nobody after it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.orm import Session
from workbench import abandoned, at_once, change, claim, claimed, columns, end_job, read, request, submit

from service.errors import LeaseLost
from service.store.database import Database, now
from service.store.jobs import bells, jobs
from service.store.jobs.bells import Unheard
from service.store.leases import lost_leases
from service.store.leases.leases import JobLease
from service.store.leases.lost_leases import RunningJob

MAX_CRASHES = 3
EXPIRED = -1.0
"""Seconds of a lease that has run out when it is given."""


def release_expired(database: Database) -> list[bool]:
    with database.writing() as session:
        released = [lost_leases.release_lost(session, held, MAX_CRASHES) for held in lost_leases.expired_jobs(session)]
        session.commit()
    return released


def transitions(database: Database, job_id: UUID) -> list[tuple[str | None, str | None]]:
    return [(event.status, event.detail) for event in read(database, job_id).events if event.kind == "status"]


def test_of_many_that_claim_a_job_one_gets_it(database: Database) -> None:
    for _ in range(5):
        job_id = submit(database)

        claims = at_once(8, lambda _, job_id=job_id: claim(database, job_id))

        [mine] = [each for each in claims if each]
        assert columns(database, job_id)["lease_token"] == mine.token
        assert read(database, job_id).attempt == mine.attempt == 1


def test_a_claim_says_who_trains_and_until_when(database: Database) -> None:
    job_id, worker_id = submit(database), uuid4()

    mine = claim(database, job_id, worker_id=worker_id, process_id=99, lease_seconds=60)

    job = read(database, job_id)
    assert mine == JobLease(job_id, 1, job.lease_token)
    assert (job.status, job.worker_id, job.process_id) == ("running", worker_id, 99)
    assert job.started_at
    assert job.lease_until
    assert 59 < (job.lease_until - job.started_at).total_seconds() <= 60
    assert transitions(database, job_id) == [("queued", None), ("running", "Attempt 1")]


@pytest.mark.parametrize(
    ("wanted", "served", "is_taken"),
    [
        ("auto", ["auto", "cpu"], True),
        ("cpu", ["auto", "cpu"], True),
        ("cuda", ["auto", "cpu"], False),
        ("cuda:1", ["auto", "cpu", "cuda:0", "cuda"], False),
        ("cuda:1", ["auto", "cpu", "cuda:0", "cuda:1", "cuda"], True),
        ("auto", [], False),
    ],
)
def test_a_claim_takes_only_a_job_for_a_device_it_serves(
    database: Database, wanted: str, served: list[str], is_taken: bool
) -> None:
    job_id = submit(database, request() | {"device": wanted})

    assert (claim(database, job_id, devices=served) is not None) == is_taken
    assert read(database, job_id).status == ("running" if is_taken else "queued")


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
def test_a_job_that_has_ended_is_not_to_be_claimed(database: Database, status: str) -> None:
    mine = claimed(database)
    change(database, lambda session: end_job(session, mine, status))

    assert claim(database, mine.job_id) is None


def test_a_job_that_is_not_there_is_not_to_be_claimed(database: Database) -> None:
    assert claim(database, uuid4()) is None


def test_a_job_keeps_the_time_of_its_first_start(database: Database) -> None:
    mine = claimed(database)
    started = read(database, mine.job_id).started_at
    change(database, lambda session: mine.put_back(session, "for the test"))

    again = claim(database, mine.job_id)

    assert again
    assert again.attempt == 2
    assert read(database, mine.job_id).started_at == started


WRITES: dict[str, Callable[[Session, JobLease], Any]] = {
    "beat": lambda session, mine: mine.beat(session, 60.0),
    "extend": lambda session, mine: mine.extend(session, 60.0, epochs_done=3, checkpoint=b"mine"),
    "finish": lambda session, mine: end_job(session, mine, "succeeded", weights=[1.0]),
    "put_back": lambda session, mine: mine.put_back(session, "mine"),
}


def stale_token(mine: JobLease, _database: Database) -> JobLease:
    return replace(mine, token=uuid4())


def earlier_attempt(mine: JobLease, database: Database) -> JobLease:
    """The claim of an attempt after which the job was put back and taken by another."""
    change(database, lambda session: mine.put_back(session, "for the test"))
    assert claim(database, mine.job_id)
    return mine


def put_back_since(mine: JobLease, database: Database) -> JobLease:
    change(database, lambda session: mine.put_back(session, "for the test"))
    return mine


def ended_since(mine: JobLease, database: Database) -> JobLease:
    change(database, lambda session: end_job(session, mine, "failed"))
    return mine


def deleted_since(mine: JobLease, database: Database) -> JobLease:
    ended_since(mine, database)
    change(database, lambda session: jobs.remove_job(session, mine.job_id))
    return mine


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("losing", [stale_token, earlier_attempt, put_back_since, ended_since])
def test_who_has_lost_the_lease_writes_nothing(
    database: Database, write: str, losing: Callable[[JobLease, Database], JobLease]
) -> None:
    lost = losing(claimed(database), database)
    before = columns(database, lost.job_id), transitions(database, lost.job_id)

    with pytest.raises(LeaseLost):
        change(database, lambda session: WRITES[write](session, lost))

    assert (columns(database, lost.job_id), transitions(database, lost.job_id)) == before


@pytest.mark.parametrize("write", WRITES)
def test_nobody_writes_for_a_job_that_was_deleted(database: Database, write: str) -> None:
    lost = deleted_since(claimed(database), database)

    with pytest.raises(LeaseLost):
        change(database, lambda session: WRITES[write](session, lost))


def test_an_extension_moves_the_lease_and_tells_of_the_wish_to_cancel(database: Database) -> None:
    mine = claimed(database, lease_seconds=1)
    before = read(database, mine.job_id).lease_until

    assert change(database, lambda session: mine.extend(session, 60.0, epochs_done=2)) == {}
    after = read(database, mine.job_id)
    change(database, lambda session: jobs.ask_to_cancel(session, mine.job_id))

    assert after.lease_until
    assert before
    assert (after.lease_until - before).total_seconds() > 50
    assert after.epochs_done == 2
    assert change(database, lambda session: mine.extend(session, 60.0)) == {mine.job_id: "cancel"}
    assert change(database, lambda session: mine.beat(session, 60.0)) == {mine.job_id: "cancel"}


def test_the_end_of_a_job_clears_what_only_a_running_job_has(database: Database) -> None:
    mine = claimed(database)
    change(database, lambda session: mine.extend(session, 60.0, checkpoint=b"halfway"))

    change(database, lambda session: end_job(session, mine, "succeeded", weights=[1.0]))

    row = columns(database, mine.job_id)
    held = ("lease_token", "lease_until", "worker_id", "process_id", "checkpoint")
    assert [row[name] for name in held] == [None] * 5
    assert row["finished_at"] is not None


def test_a_job_that_is_put_back_keeps_its_checkpoint_and_counts_no_crash(database: Database) -> None:
    mine = claimed(database)
    change(database, lambda session: mine.extend(session, 60.0, checkpoint=b"halfway", epochs_done=2))

    change(database, lambda session: mine.put_back(session, "the worker leaves"))

    row = columns(database, mine.job_id)
    assert (row["status"], row["checkpoint"], row["crashes"], row["rung_at"]) == ("queued", b"halfway", 0, None)
    assert row["lease_token"] is None


def test_a_lease_that_runs_is_not_expired(database: Database) -> None:
    claimed(database, lease_seconds=60)

    assert release_expired(database) == []


def test_an_expired_lease_is_released_and_counted_as_a_crash(database: Database) -> None:
    mine = claimed(database, lease_seconds=EXPIRED)
    before = read(database, mine.job_id)
    assert before.rung_at

    assert release_expired(database) == [True]

    job = read(database, mine.job_id)
    assert (job.status, job.crashes, job.lease_token, job.rung_at) == ("queued", 1, None, None)
    assert transitions(database, mine.job_id)[-1] == ("queued", "The worker was lost in attempt 1")
    assert release_expired(database) == []


def test_a_job_is_given_up_when_three_attempts_in_a_row_died_and_recorded_nothing(database: Database) -> None:
    mine: JobLease | None = claimed(database, lease_seconds=EXPIRED)
    assert mine
    job_id = mine.job_id
    for _ in range(MAX_CRASHES - 1):
        assert mine
        change(database, lambda session, mine=mine: mine.beat(session, EXPIRED))
        assert release_expired(database) == [True]
        assert read(database, job_id).status == "queued"
        mine = claim(database, job_id, lease_seconds=EXPIRED)

    assert release_expired(database) == [True]

    job = read(database, job_id)
    assert (job.status, job.crashes, job.attempt, job.error_code) == ("failed", 3, 3, "worker_lost")
    assert job.error_detail
    assert job.finished_at
    assert columns(database, job_id)["checkpoint"] is None
    assert claim(database, job_id) is None
    assert [status for status, _ in transitions(database, job_id)] == ["queued", "running"] * 3 + ["failed"]


@pytest.mark.parametrize("records", ["every attempt", "every third attempt", "the attempt before the last two"])
def test_a_job_that_advances_is_not_given_up_however_often_its_worker_dies(database: Database, records: str) -> None:
    job_id = submit(database)
    for attempt in range(1, 13 if records.startswith("every") else 6):
        mine = claim(database, job_id, lease_seconds=EXPIRED)
        assert mine
        if records == "every attempt" or attempt % 3 == 0:
            progress = {"epochs_done": 250 * attempt, "checkpoint": b"halfway"}
            change(database, lambda session, mine=mine, values=progress: mine.extend(session, EXPIRED, **values))
        assert release_expired(database) == [True]
        assert read(database, job_id).status == "queued"

    expected = {"every attempt": 0, "every third attempt": 0, "the attempt before the last two": 2}[records]
    assert read(database, job_id).crashes == expected


def test_a_job_that_recorded_and_was_put_back_begins_to_count_anew(database: Database) -> None:
    job_id = submit(database)
    for _ in range(MAX_CRASHES - 1):
        assert claim(database, job_id, lease_seconds=EXPIRED)
        assert release_expired(database) == [True]
    mine = claim(database, job_id)
    assert mine
    change(database, lambda session: mine.extend(session, 60, epochs_done=1))
    change(database, lambda session: mine.put_back(session, "the worker leaves"))
    assert claim(database, job_id, lease_seconds=EXPIRED)
    assert release_expired(database) == [True]

    job = read(database, job_id)
    assert (job.status, job.crashes) == ("queued", 1)


def test_putting_a_job_back_does_not_count_towards_giving_it_up(database: Database) -> None:
    mine: JobLease | None = claimed(database)
    for attempt in range(1, 6):
        assert mine
        assert mine.attempt == attempt
        change(database, lambda session, mine=mine: mine.put_back(session, "the worker leaves"))
        mine = claim(database, mine.job_id)
    assert mine
    assert read(database, mine.job_id).crashes == 0


def test_of_many_reapers_one_releases_a_job(database: Database) -> None:
    for _ in range(5):
        mine = claimed(database, lease_seconds=EXPIRED)
        seen = abandoned(mine)

        def reap(_: int, seen: RunningJob = seen) -> bool:
            return bool(change(database, lambda session: lost_leases.release_lost(session, seen, MAX_CRASHES)))

        assert sorted(at_once(6, reap)) == [False] * 5 + [True]
        assert read(database, mine.job_id).crashes == 1


def test_a_reaper_that_saw_an_earlier_attempt_does_not_take_a_later_one_s_job(database: Database) -> None:
    mine = claimed(database, lease_seconds=EXPIRED)
    seen = abandoned(mine)
    assert release_expired(database) == [True]
    assert claim(database, mine.job_id)

    assert change(database, lambda session: lost_leases.release_lost(session, seen, MAX_CRASHES)) is False
    assert read(database, mine.job_id).status == "running"


def test_a_worker_finds_the_jobs_that_its_own_processes_run(database: Database) -> None:
    worker_id = uuid4()
    own = [claim(database, submit(database), worker_id=worker_id, process_id=number) for number in (7, 8)]
    claimed(database)

    with database.reading() as session:
        held = lost_leases.jobs_of_worker(session, worker_id)

    assert {each.lease: each.process_id for each in held} == dict(zip(own, (7, 8), strict=True))


def test_a_waiting_job_is_cancelled_at_once(database: Database) -> None:
    job_id = submit(database)

    assert change(database, lambda session: jobs.cancel_waiting(session, job_id)) is True

    job = read(database, job_id)
    assert job.status == "cancelled"
    assert job.finished_at
    assert claim(database, job_id) is None
    assert change(database, lambda session: jobs.cancel_waiting(session, job_id)) is False


def test_a_running_job_is_asked_to_stop_and_not_taken_away(database: Database) -> None:
    mine = claimed(database)

    assert change(database, lambda session: jobs.cancel_waiting(session, mine.job_id)) is False
    assert change(database, lambda session: jobs.ask_to_cancel(session, mine.job_id)) is True

    assert columns(database, mine.job_id)["cancel_requested"] is True
    assert read(database, mine.job_id).status == "running"


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
def test_a_job_that_has_ended_is_not_cancelled(database: Database, status: str) -> None:
    mine = claimed(database)
    change(database, lambda session: end_job(session, mine, status))
    before = columns(database, mine.job_id)

    assert change(database, lambda session: jobs.cancel_waiting(session, mine.job_id)) is False
    assert change(database, lambda session: jobs.ask_to_cancel(session, mine.job_id)) is False
    assert columns(database, mine.job_id) == before


def test_of_a_cancellation_and_a_claim_at_once_exactly_one_happens(database: Database) -> None:
    for _ in range(10):
        job_id = submit(database)

        def act(number: int, job_id: UUID = job_id) -> bool:
            if number:
                return claim(database, job_id) is not None
            return bool(change(database, lambda session: jobs.cancel_waiting(session, job_id)))

        was_cancelled, was_claimed = at_once(2, act)
        assert was_cancelled != was_claimed
        assert read(database, job_id).status == ("cancelled" if was_cancelled else "running")


def test_a_job_is_unheard_of_when_its_bell_was_lost_or_rung_long_ago(database: Database) -> None:
    silent, running = submit(database, request() | {"device": "cuda"}), claimed(database)
    unrung = submit(database)
    change(database, lambda session: bells.note_ring(session, [unrung], heard=False))

    with database.reading() as session:
        at_once_due = bells.unheard_jobs(session, silent_seconds=60, limit=10)
        later_due = bells.unheard_jobs(session, silent_seconds=-1, limit=10)
        oldest = bells.unheard_jobs(session, silent_seconds=-1, limit=1)

    assert at_once_due == [Unheard(unrung, "auto", rung_before=False)]
    assert later_due == [Unheard(silent, "cuda", rung_before=True), *at_once_due]
    assert oldest == later_due[:1]
    assert running.job_id not in {each.job_id for each in later_due}


def test_a_bell_that_was_rung_is_not_due_until_it_was_silent(database: Database) -> None:
    job_id = submit(database)
    change(database, lambda session: bells.note_ring(session, [job_id], heard=False))
    change(database, lambda session: bells.note_ring(session, [job_id], heard=True))

    with database.reading() as session:
        assert bells.unheard_jobs(session, silent_seconds=60, limit=10) == []
        rung_at = read(database, job_id).rung_at
        assert rung_at
        assert abs((now(session) - rung_at).total_seconds()) < 30
