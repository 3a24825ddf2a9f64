"""Partitions of a job's data: each has one process at a time, and what is reduced stays."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from workbench import abandoned, at_once, change, claim, claimed, end_job, submit

from service.errors import LeaseLost
from service.store.database import Database
from service.store.jobs import jobs, pauses
from service.store.leases import lost_leases, partitions
from service.store.leases.leases import Claimant, JobLease
from service.store.leases.partitions import PartitionLease

RANGES = [range(0, 10), range(10, 25), range(25, 30)]


@pytest.fixture
def mine(database: Database) -> JobLease:
    """A job that somebody runs, cut into three partitions."""
    mine = claimed(database)
    change(database, lambda session: partitions.cut_job(session, mine.job_id, RANGES))
    return mine


def take(
    database: Database,
    job_id: UUID,
    token: UUID | None = None,
    *,
    worker_id: UUID | None = None,
    lease_seconds: float = 60.0,
) -> PartitionLease | None:
    claimant = Claimant(worker_id or uuid4(), 4711, [], lease_seconds)
    taken: PartitionLease | None = change(
        database,
        lambda session: partitions.claim_partition(session, job_id, token or uuid4(), claimant),
    )
    return taken


def finish(database: Database, taken: PartitionLease | None, reductions: bytes = b"done") -> None:
    assert taken
    change(database, lambda session: taken.finish(session, reductions, 0.5))


def counts(database: Database, job_id: UUID) -> Any:
    return change(database, lambda session: partitions.count_partitions(session, job_id))


def test_each_partition_is_taken_by_one_of_many(database: Database, mine: JobLease) -> None:
    taken = at_once(8, lambda _: take(database, mine.job_id))

    claims = sorted((each for each in taken if each), key=lambda each: each.number)
    assert [each.rows for each in claims] == RANGES
    assert len({each.token for each in claims}) == 3


def test_what_is_reduced_is_kept_in_the_order_of_the_partitions(database: Database, mine: JobLease) -> None:
    first, second = take(database, mine.job_id), take(database, mine.job_id)
    finish(database, second, b"second")
    finish(database, first, b"first")

    assert counts(database, mine.job_id) == (2, 1)
    finish(database, take(database, mine.job_id), b"third")
    assert take(database, mine.job_id) is None
    found = change(database, lambda session: list(partitions.reduced_partitions(session, mine.job_id)))
    assert found == [b"first", b"second", b"third"]


def test_a_job_is_cut_once_whoever_leads(database: Database, mine: JobLease) -> None:
    finish(database, take(database, mine.job_id))

    change(database, lambda session: lost_leases.release_lost(session, abandoned(mine), max_crashes=3))
    for others in ([range(0, 30)], [range(place, place + 5) for place in range(0, 30, 5)]):
        change(database, lambda session, others=others: partitions.cut_job(session, mine.job_id, others))

    assert counts(database, mine.job_id) == (1, 2)


def test_a_lease_that_ran_out_is_another_s_to_take_and_its_holder_s_no_more(database: Database, mine: JobLease) -> None:
    lost = take(database, mine.job_id, lease_seconds=-1)

    again = take(database, mine.job_id)

    assert lost
    assert again
    assert (again.number, again.rows) == (lost.number, lost.rows)
    for late in (
        lambda session: lost.beat(session, 60),
        lambda session: lost.finish(session, b"late", 1.0),
        lambda session: lost.put_back(session),
    ):
        with pytest.raises(LeaseLost):
            change(database, late)
    finish(database, again)


def test_a_lease_that_is_extended_does_not_run_out(database: Database, mine: JobLease) -> None:
    held = take(database, mine.job_id, lease_seconds=-1)
    assert held
    change(database, lambda session: held.beat(session, 60))

    numbers = [taken.number for _ in range(3) if (taken := take(database, mine.job_id))]

    assert numbers == [1, 2]


def test_who_asks_again_with_the_same_token_is_given_the_same(database: Database, mine: JobLease) -> None:
    token = uuid4()
    first, again = (take(database, mine.job_id, token) for _ in range(2))

    assert first
    assert first == again
    finish(database, first)
    finish(database, first)
    assert counts(database, mine.job_id) == (1, 2)
    other = take(database, mine.job_id)
    assert other
    assert other.number != first.number


def test_a_lost_worker_s_partitions_are_free_with_its_job(database: Database, mine: JobLease) -> None:
    held = abandoned(mine)
    done, taken = (take(database, mine.job_id, worker_id=held.worker_id) for _ in range(2))
    others = take(database, mine.job_id)
    finish(database, done)
    assert others
    assert taken

    change(database, lambda session: lost_leases.release_lost(session, held, max_crashes=3))

    claim(database, mine.job_id)
    assert (again := take(database, mine.job_id))
    assert again.number == taken.number
    assert take(database, mine.job_id) is None, "of the others one is reduced, and one is another worker's"


def test_a_partition_that_is_put_back_is_the_next_to_be_taken(database: Database, mine: JobLease) -> None:
    taken = take(database, mine.job_id)
    assert taken
    change(database, lambda session: taken.put_back(session))

    assert [each.number for _ in range(3) if (each := take(database, mine.job_id))] == [0, 1, 2]


@pytest.mark.parametrize("ask", [jobs.ask_to_cancel, pauses.ask_to_pause])
def test_nobody_works_for_a_job_that_is_to_stop(database: Database, mine: JobLease, ask: Any) -> None:
    taken = take(database, mine.job_id)
    assert taken
    change(database, lambda session: ask(session, mine.job_id))

    assert take(database, mine.job_id) is None
    with pytest.raises(LeaseLost):
        change(database, lambda session: taken.beat(session, 60))


def test_what_a_helper_had_when_a_job_was_paused_is_free_when_it_is_resumed(database: Database, mine: JobLease) -> None:
    taken = take(database, mine.job_id)
    assert taken
    change(database, lambda session: pauses.ask_to_pause(session, mine.job_id))
    change(database, lambda session: mine.put_back(session, "for the test"))
    with pytest.raises(LeaseLost):
        change(database, lambda session: taken.beat(session, 60))

    change(database, lambda session: pauses.resume_paused(session, mine.job_id))
    claim(database, mine.job_id)

    assert (again := take(database, mine.job_id))
    assert again.number == taken.number


def test_a_job_that_waits_for_its_next_attempt_lets_others_end_what_they_have(
    database: Database, mine: JobLease
) -> None:
    taken = take(database, mine.job_id)
    assert taken
    change(database, lambda session: mine.put_back(session, "for the test"))

    assert take(database, mine.job_id) is None
    change(database, lambda session: taken.beat(session, 60))
    finish(database, taken)
    assert counts(database, mine.job_id) == (1, 2)


def test_partitions_go_with_their_job(database: Database, mine: JobLease) -> None:
    change(database, lambda session: end_job(session, mine, "succeeded"))
    change(database, lambda session: jobs.remove_job(session, mine.job_id))

    assert counts(database, mine.job_id) == (0, 0)


def test_a_job_without_partitions_has_none_to_take(database: Database) -> None:
    assert take(database, submit(database)) is None
