"""Owners take turns: nobody waits behind all the jobs of another."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, delete, insert, select, text, update
from uuid_utils.compat import uuid7
from workbench import change, read, submit

from service.store.counts import Count
from service.store.database import Database
from service.store.leases.batches import lease_of
from service.store.leases.claims import SeenJob, find_prospect
from service.store.leases.leases import JobLease
from service.store.leases.others import find_others
from service.store.owners.turns import MOST_OWNERS, do_others_wait, end_of_lap, next_after
from service.store.tables import Job
from worker import tasks
from worker.jobs import batch, guests
from worker.jobs.batch import Batch
from worker.jobs.flush import Flush
from worker.process import Process

MANY = 200
"""Jobs of one owner: more than one look has."""


class Taken:
    """What a process has claimed, batch by batch, instead of training it."""

    def __init__(self) -> None:
        self.batches: list[list[UUID]] = []

    def __call__(self, _process: Process, lease: object, *_: object) -> None:
        self.batches.append([part.job_id for part in lease.parts])  # type: ignore[attr-defined]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Taken:
    taken = Taken()
    monkeypatch.setattr(tasks, "run_attempt", taken)
    return taken


def queue(database: Database, owner: str, count: int = 1, *, trains_alone: bool = False) -> list[UUID]:
    """Small jobs of an owner, which wait. One that has been tried before trains alone."""
    first = submit(database)
    job_ids = [first, *sorted(uuid7() for _ in range(count - 1))]
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == first).values(owner=owner, attempt=int(trains_alone)))
        row = dict(session.execute(select(Job.__table__).where(Job.id == first)).mappings().one())
        if count > 1:
            session.execute(insert(Job.__table__), [row | {"id": job_id} for job_id in job_ids[1:]])  # type: ignore[arg-type]
        session.commit()
    return job_ids


def queue_two_of_each(database: Database, owners: Sequence[str], *, trains_alone: bool = False) -> dict[UUID, str]:
    """The same of many owners, who are told by job."""
    owner_of = dict(zip(sorted(uuid7() for _ in range(2 * len(owners))), 2 * list(owners), strict=True))
    [like] = queue(database, owners[0])
    with database.writing() as session:
        row = dict(session.execute(select(Job.__table__).where(Job.id == like)).mappings().one())
        row["attempt"] = int(trains_alone)
        rows = [row | {"id": job_id, "owner": owner} for job_id, owner in owner_of.items()]
        session.execute(delete(Job).where(Job.id == like))
        session.execute(insert(Job.__table__), rows)  # type: ignore[arg-type]
        session.commit()
    return owner_of


def hinder(database: Database, job_ids: Sequence[UUID], **columns: Any) -> None:
    change(database, lambda session: session.execute(update(Job).where(Job.id.in_(job_ids)).values(columns)))


def take(process: Process, taken: Taken, bells: Sequence[UUID]) -> Iterator[list[UUID]]:
    """What is taken at each bell."""
    for bell in bells:
        if tasks.take_work(process, bell):
            yield taken.batches[-1]


def test_a_job_of_one_is_in_the_next_batch_however_many_another_has(
    database: Database, process: Process, taken: Taken
) -> None:
    many = queue(database, "many", MANY)
    [one] = queue(database, "one")

    first, second = take(process, taken, many[150:152])

    assert one in first
    assert first[0] == many[0]
    assert second[0] == min(set(many) - set(first))


@pytest.mark.parametrize("names", [("many", "one"), ("zoe", "ann")], ids=["before", "after"])
def test_jobs_that_train_alone_are_taken_from_each_owner_in_turn(
    database: Database, process: Process, taken: Taken, names: tuple[str, str]
) -> None:
    many, one = (queue(database, name, count, trains_alone=True) for name, count in zip(names, (MANY, 3), strict=True))

    order = [batch[0] for batch in take(process, taken, many[50:58])]

    assert [job_id in one for job_id in order[:6]] in ([False, True] * 3, [True, False] * 3)
    assert [job_id for job_id in order if job_id in one] == one
    assert [job_id for job_id in order if job_id in many] == many[:5]


def test_a_turn_begins_after_the_owner_who_had_the_last(database: Database, process: Process, taken: Taken) -> None:
    owners = [f"owner {number:03}" for number in range(MOST_OWNERS + 6)]
    jobs = {job_id: owner for owner in owners for job_id in queue(database, owner, 2, trains_alone=True)}

    order = [jobs[batch[0]] for batch in take(process, taken, list(jobs)[: len(owners) + 1])]

    assert order == [*owners, owners[0]]


def test_without_owners_a_bell_is_for_the_job_that_it_names(database: Database, process: Process, taken: Taken) -> None:
    waiting = queue(database, "", 5, trains_alone=True)
    assert [batch[0] for batch in take(process, taken, [waiting[3], waiting[3]])] == [waiting[3], waiting[0]]
    assert process.turn.last == ""


def test_a_job_for_a_device_that_is_not_here_is_nobodys_turn(
    database: Database, process: Process, taken: Taken
) -> None:
    many = queue(database, "many", 2, trains_alone=True)
    [elsewhere] = queue(database, "one")
    change(database, lambda session: session.execute(update(Job).where(Job.id == elsewhere).values(device="cuda:99")))
    assert [batch[0] for batch in take(process, taken, [elsewhere, elsewhere])] == many


def test_who_waits_for_what_is_not_here_stands_in_nobody_s_way(
    database: Database, process: Process, taken: Taken
) -> None:
    """One owner has more jobs than a look has, and the other comes after more owners than it has."""
    many = queue(database, "a", MANY, trains_alone=True)
    elsewhere = queue_two_of_each(database, [f"b {number:03}" for number in range(MOST_OWNERS + 6)])
    hinder(database, [*elsewhere], device="cuda:99")
    [last] = queue(database, "z", trains_alone=True)

    assert [batch[0] for batch in take(process, taken, many[:3])] == [many[0], last, many[1]]


def test_who_has_as_many_slots_as_may_be_waits_and_another_does_not(
    database: Database, process: Process, taken: Taken
) -> None:
    bounded = replace(process, settings=process.settings.model_copy(update={"owner_slots": 1}))
    many, [one] = queue(database, "many", 3, trains_alone=True), queue(database, "one")
    [first] = take(bounded, taken, many[:1])
    [second] = take(bounded, taken, many[1:])

    assert (first, second) == ([many[0]], [one])
    change(database, lambda session: session.execute(update(Job).where(Job.id == many[0]).values(status="succeeded")))
    assert [*take(bounded, taken, [one])] == [[many[1]]]


def test_jobs_that_were_claimed_together_have_one_slot(database: Database, process: Process, taken: Taken) -> None:
    bounded = replace(process, settings=process.settings.model_copy(update={"owner_slots": 2}))
    waiting = queue(database, "many", 3)
    [batch] = take(bounded, taken, waiting[:1])
    later = queue(database, "many")
    assert set(batch) == set(waiting)
    assert [*take(bounded, taken, later)] == [later]


@pytest.mark.parametrize(
    ("turns", "served", "beyond", "following"),
    [
        ([], {"a"}, "", ""),
        (["a", "b"], {"a"}, "", "a"),
        (["a", "b"], {"a", "b"}, "", ""),
        (["a", "b"], {"a", "b"}, "c", "c"),
        (["b", "A"], {"b"}, "", "b"),
        (["b", "c"], {"a"}, "", ""),
    ],
)
def test_after_the_last_owner_comes_who_is_beyond_or_the_first(
    turns: list[str], served: set[str], beyond: str, following: str
) -> None:
    assert next_after(turns, served, beyond) == following


def test_a_lap_that_was_full_goes_on_after_its_last_owner() -> None:
    assert [end_of_lap(passed, 2) for passed in ([], ["a"], ["a", "b"])] == ["", "", "b"]


class Backwards:
    """A connection whose database sorts names the other way round."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self.dialect = connection, connection.dialect

    def execute(self, *given: Any) -> Any:
        rows = self._connection.execute(*given).all()
        return SimpleNamespace(all=lambda: rows[::-1])


def test_owners_are_in_the_order_of_the_database(database: Database, process: Process) -> None:
    """Python may have another: to it all capitals come first."""
    queue_two_of_each(database, ["a", "B"], trains_alone=True)
    with database.reading() as session:
        backwards: Any = Backwards(session.connection())
        assert find_prospect(backwards, uuid7(), process.claimant).turns == ["a", "B"]
        others = find_others(backwards, process.claimant, ["nobody"], "")
        assert [job.owner for job in others.jobs] == ["a", "B"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # PostgreSQL looks at all rows where there are few
def test_whose_turn_it_is_is_found_by_an_index(database: Database, process: Process) -> None:
    """Of what belongs to nobody it has nothing: without keys it costs nothing."""
    said: list[str] = []
    with database.reading() as session:
        connection = session.connection()
        driver = connection.connection.driver_connection
        assert driver
        driver.set_trace_callback(said.append)
        find_prospect(connection, uuid7(), process.claimant)
        driver.set_trace_callback(None)
        plan = connection.execute(text("EXPLAIN QUERY PLAN " + said[0].replace(":", "\\:"))).all()
    assert sum("jobs_turn_index" in row[-1] for row in plan) == 3


@pytest.mark.parametrize("has_one", [False, True], ids=["who has none in it", "who has one in it"])
def test_who_comes_while_a_batch_of_another_trains_is_served_between_two_of_its_jobs(
    database: Database, process: Process, monkeypatch: pytest.MonkeyPatch, has_one: bool
) -> None:
    patient = replace(process, settings=process.settings.model_copy(update={"flush_seconds": 60.0}))
    many, ones = queue(database, "many", 4), queue(database, "one") if has_one else []
    known = len(ones)
    end = Batch.end

    def note_end(batch: Batch, ended: Flush) -> None:
        if len(ones) == known:
            ones.extend(queue(database, "one"))
        end(batch, ended)

    monkeypatch.setattr(guests, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(Batch, "end", note_end)
    assert tasks.take_work(patient, many[0])

    told = {job_id: (job.status, job.finished_at) for job_id in (*many, *ones) for job in [read(database, job_id)]}
    assert {status for status, _ in told.values()} == {"succeeded"}
    assert told[ones[-1]] < told[many[-1]]  # those of the batch are written together, with the last


@pytest.mark.parametrize(
    ("epochs", "count"), [([10**6], 0), ([10**6, 5], 1), ([600, 400], 2), ([600, 401], 1)], ids=str
)
def test_guests_train_no_longer_than_one_flush_all_of_them_together(
    database: Database, process: Process, taken: Taken, epochs: list[int], count: int
) -> None:
    for number, asked in enumerate(epochs):
        [job_id] = queue(database, f"guest {number}")
        change(database, lambda s, i=job_id, e=asked: s.execute(update(Job).where(Job.id == i).values(epochs=e)))

    work = tasks._find_guests(process, {"many"})

    if work:
        work()
    assert sum(map(len, taken.batches)) == count


def test_everybody_is_a_guest_in_turn_however_many_owners_there_are(
    database: Database, process: Process, taken: Taken
) -> None:
    """Half of them have a job in the batch, and come first by their names: more than one look has."""
    own = [f"a {number:03}" for number in range(MOST_OWNERS + 6)]
    others = [f"b {number:03}" for number in range(MOST_OWNERS + 6)]
    jobs = queue_two_of_each(database, [*own, *others])
    served = list[str]()

    assert database.query(do_others_wait, own)
    while len(served) < 2 * len(others):
        work = tasks._find_guests(process, own)
        assert work
        work()
        served += [jobs[job_id] for job_id in taken.batches[-1]]
    assert served[: len(others)] == others
    assert served[len(others) :][: len(others)] == others
    assert not database.query(do_others_wait, [*own, *others])


@pytest.mark.parametrize(
    "hindrance",
    [{"attempt": 1}, {"device": "cuda:99"}, {"status": "running", "lease_token": UUID(int=1)}],
    ids=["trains alone", "is not for here", "has all slots"],
)
def test_who_cannot_be_a_guest_stands_in_nobody_s_way(
    database: Database, process: Process, taken: Taken, hindrance: dict[str, Any]
) -> None:
    bounded = replace(process, settings=process.settings.model_copy(update={"owner_slots": 1}))
    hindered = queue_two_of_each(database, [f"a {number:03}" for number in range(MOST_OWNERS + 6)])
    hinder(database, [*hindered][: len(hindered) // (2 if "status" in hindrance else 1)], **hindrance)
    [last] = queue(database, "z")

    found = [tasks._find_guests(bounded, ["nobody"]) for _ in range(3)]

    for work in filter(None, found):
        work()
    assert taken.batches == [[last]]


def test_who_trains_with_a_group_is_a_guest_though_the_job_of_another_does_not(
    database: Database, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = list[list[str]]()

    def take(_: Process, first: SeenJob, others: Sequence[SeenJob], __: object) -> None:
        served.append([job.owner for job in (first, *others)])

    monkeypatch.setattr(tasks, "_take", take)
    jobs = queue_two_of_each(database, ["a", "b", "c"])
    hinder(database, [job_id for job_id, owner in jobs.items() if owner == "b"], group_id=uuid7())

    for _ in range(3):
        tasks._find_guests(process, ["nobody"])

    assert served == [["a"], ["b"], ["c", "a"]]


def test_before_guests_train_what_has_ended_is_written_and_after_long_ones_the_rest_is_given_back(
    database: Database, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, seen = [0.0], list[list[str]]()
    many = queue(database, "many", 4)

    def serve(_: guests.Guests, write_ended: Callable[[], None]) -> None:
        write_ended()
        seen.append([read(database, job_id).status for job_id in many])
        clock[0] += 3.0 * len(seen) * process.settings.flush_seconds

    monkeypatch.setattr(batch, "monotonic", lambda: clock[0])
    monkeypatch.setattr(tasks, "_sharing", lambda process, owners: guests.Guests(process, owners, lambda _: None))
    monkeypatch.setattr(guests.Guests, "serve", serve)
    assert tasks.take_work(process, many[0])

    assert seen == [["running"] * 4, ["succeeded"] + ["running"] * 3]
    assert [read(database, job_id).status for job_id in many] == ["succeeded"] + ["queued"] * 3


@pytest.mark.parametrize(("owners", "writes"), [(["many"], 1), (["many", "one"], 6)], ids=["one", "two"])
def test_what_has_ended_of_a_batch_of_several_owners_does_not_wait_for_its_end(
    database: Database, process: Process, monkeypatch: pytest.MonkeyPatch, owners: list[str], writes: int
) -> None:
    monkeypatch.setattr(batch, "_WAIT_FOR_OTHERS", -1.0)
    patient = replace(process, settings=process.settings.model_copy(update={"flush_seconds": 60.0}))
    first, *_ = [job_id for owner in owners for job_id in queue(database, owner, 6 // len(owners))]
    before = process.counts[Count.FLUSHES]
    assert tasks.take_work(patient, first)
    assert patient.counts[Count.FLUSHES] - before == writes


def test_where_another_waits_for_what_is_not_here_a_batch_looks_no_more_for_a_while(
    database: Database, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    [elsewhere] = queue(database, "one")
    change(database, lambda session: session.execute(update(Job).where(Job.id == elsewhere).values(device="cuda:99")))
    looks: list[float] = []
    monkeypatch.setattr(guests, "monotonic", lambda: clock[0])

    def find(owners: Collection[str]) -> None:
        looks.append(clock[0])
        assert tasks._find_guests(process, owners) is None

    clock = [0.0]
    sharing = guests.Guests(process, ["many", "many"], find)
    for clock[0] in (0.01, 0.1, 0.5, 1.0, 1.2):
        sharing.serve(lambda: None)
    assert looks == [0.1, 1.2]


def test_whose_jobs_a_batch_has_is_known_by_what_was_claimed(
    database: Database, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    many, [one] = queue(database, "many", 3), queue(database, "one")
    choose, sharings = tasks.choose_companions, list[batch.Sharing]()

    def choose_and_lose(*given: Any) -> list[SeenJob]:
        chosen = choose(*given)
        assert one in [job.id for job in chosen]
        change(database, lambda session: session.execute(update(Job).where(Job.id == one).values(status="running")))
        return chosen

    monkeypatch.setattr(tasks, "choose_companions", choose_and_lose)
    monkeypatch.setattr(tasks, "run_attempt", lambda *given: sharings.append(given[-1]))
    assert tasks.take_work(process, many[0])
    assert [sharing.is_mixed for sharing in sharings] == [False]


def test_what_a_small_job_takes_is_told_by_those_that_have_begun_without_the_time_of_guests(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Serving(batch.Sharing):
        def serve(self, write_ended: Callable[[], None]) -> None:
            clock[0] += 100.0

    clock = [0.0]
    monkeypatch.setattr(batch, "monotonic", lambda: clock[0])
    patient = replace(process, settings=process.settings.model_copy(update={"flush_seconds": 60.0}))
    trained = Batch(patient, lease_of([JobLease(uuid7(), 1, uuid7()) for _ in range(4)]), Serving())
    for seconds, _ in zip((2.0, 4.0), trained.turns(), strict=False):
        clock[0] += seconds
    assert trained.part_seconds == 3.0


@pytest.mark.parametrize(("owner", "claims"), [("many", [8, 2]), ("", [8, 6])], ids=["of an owner", "of nobody"])
def test_where_an_owner_s_small_jobs_take_longer_than_was_estimated_fewer_are_claimed_together(
    database: Database, process: Process, taken: Taken, monkeypatch: pytest.MonkeyPatch, owner: str, claims: list[int]
) -> None:
    def run(*given: Any) -> float:
        taken(*given)
        return 0.1

    monkeypatch.setattr(tasks, "run_attempt", run)
    for count in (8, 6):
        assert tasks.take_work(process, queue(database, owner, count)[0])
    assert list(map(len, taken.batches)) == claims
