"""Small jobs that come together: one transaction, few bells, and each job is accepted or refused by itself."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session
from workbench import LECTURE, FakeQueue, at_once, change, read, request, rows_of_every_table, storage

from service.data.new_datasets import NewDataset
from service.errors import DatabaseError, DatabaseUnavailable, OwnerQuotaReached, QuotaReached
from service.jobs import intake
from service.jobs.intake import Handed, Intake, is_small
from service.jobs.jobs import Submission, rehearse_submission
from service.jobs.quotas import OwnerBusy
from service.settings import Settings
from service.store import workers
from service.store.database import Database
from service.store.owners import usage
from service.store.tables import Worker
from service.upkeep import lost_jobs
from slope.spec import JobRequest


def handed(wanted: dict[str, Any]) -> Handed:
    return Handed(JobRequest.model_validate(wanted))


def requests(count: int, **own: Any) -> list[Handed]:
    """Of the same, with names of their own."""
    return [handed(LECTURE | own | {"name": f"job {number}"}) for number in range(count)]


def accepted(found: Sequence[Submission | Exception]) -> list[UUID]:
    """Their jobs: all were accepted."""
    return [each.job_id for each in found if isinstance(each, Submission)]


@pytest.fixture
def together(database: Database, queue: FakeQueue) -> Intake:
    return Intake(database, storage(), queue, Settings())


def add_worker(database: Database, slots: int, device: str = "cpu") -> None:
    devices = [{"name": device, "detail": "the test's"}]
    row = Worker(id=uuid4(), hostname="here", process_id=1, version="0", devices=devices, slots=slots, memory=None)
    change(database, lambda session: workers.add_worker(session, row))


def test_jobs_that_come_together_are_committed_together(together: Intake, database: Database) -> None:
    commits: list[object] = []

    def note(connection: object) -> None:
        commits.append(connection)

    event.listen(Engine, "commit", note)
    try:
        together.submit(requests(1))
        before = len(commits)
        job_ids = accepted(together.submit(requests(5)))
    finally:
        event.remove(Engine, "commit", note)

    assert len(commits) - before == 1
    assert [read(database, job_id).name for job_id in job_ids] == [f"job {number}" for number in range(5)]
    assert len({read(database, job_id).dataset_id for job_id in job_ids}) == 1


def test_an_owner_who_may_have_no_more_keeps_nobody_s_jobs_from_being_committed_together(
    database: Database, queue: FakeQueue
) -> None:
    commits: list[object] = []
    bounded = Intake(database, storage(), queue, Settings(owner_jobs=1))
    wanted = [each._replace(owner=owner) for each, owner in zip(requests(3), ("ada", "ada", "bob"), strict=True)]
    event.listen(Engine, "commit", note := commits.append)
    try:
        bounded.submit(requests(1))
        alone = len(commits)
        found = bounded.submit(wanted)
        assert len(commits) < 2 * alone
    finally:
        event.remove(Engine, "commit", note)
    assert [type(each) for each in found] == [Submission, OwnerQuotaReached, Submission]
    assert rows_of_every_table(database)["jobs"] == 3


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_nobody_s_job_waits_for_the_lock_of_another_owner(database: Database, queue: FakeQueue) -> None:
    bounded = Intake(database, storage(), queue, Settings(owner_jobs=1))
    wanted = [each._replace(owner=owner) for each, owner in zip(requests(2), ("mallory", "alice"), strict=True)]
    with database.writing() as session:
        usage.lock_owners(session, ["mallory"])
        found = bounded.submit(wanted)
    assert [type(each) for each in found] == [OwnerBusy, Submission]
    assert rows_of_every_table(database)["jobs"] == 1


def test_each_has_what_it_asked_for_though_drafts_are_shared(together: Intake, database: Database) -> None:
    asked = [
        handed(LECTURE | {"predict": [3.0], "metadata": {"own": "1"}}),
        handed(LECTURE | {"predict": [5.0], "timeout_seconds": 7.0}),
        handed(request(epochs=3)),
    ]

    first, second, third = (read(database, job_id) for job_id in accepted(together.submit(asked)))

    assert (first.predict, first.metadata_, first.timeout_seconds) == ([3.0], {"own": "1"}, None)
    assert (second.predict, second.metadata_, second.timeout_seconds) == ([5.0], LECTURE["metadata"], 7.0)
    assert (third.epochs, third.dataset.rows) == (3, 4)
    assert first.spec == second.spec != third.spec


@pytest.mark.parametrize(
    "wanted",
    [
        LECTURE,
        request(learning_rate=10.0),  # which warns
        request(learning_rate="auto", standardize=True),
        LECTURE | {"metadata": {}, "predict": [], "timeout_seconds": 3.5},
    ],
    ids=["lecture", "warned", "rate", "bare"],
)
def test_the_answer_to_a_submission_is_what_a_read_would_give(client: TestClient, wanted: dict[str, Any]) -> None:
    for _ in range(2):  # the second is of a draft that was kept
        answer = client.post("/v1/jobs", json=wanted)
        assert answer.status_code == 202
        assert client.get(answer.headers["Location"]).json() == answer.json()


def test_what_is_wrong_with_one_stops_no_other(
    together: Intake, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopt = NewDataset.adopt

    def refuse_wide(new: NewDataset, session: Session) -> UUID:
        if new._summary.rows == 4:
            raise QuotaReached(1, 1)
        return adopt(new, session)

    monkeypatch.setattr(NewDataset, "adopt", refuse_wide)
    first, second = requests(2)

    found = together.submit([first, handed(request(engine="composed", loss="huber")), second])
    also = together.submit([first, handed(request()), second])

    assert [type(each).__name__ for each in found] == ["Submission", "InvalidRequest", "Submission"]
    assert [type(each).__name__ for each in also] == ["Submission", "QuotaReached", "Submission"]
    assert rows_of_every_table(database)["jobs"] == 4


def test_an_error_of_one_that_nobody_expected_stops_no_other(together: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    row_of_job = intake.row_of_job

    def fail_for_one(draft: Any, asked: JobRequest, *others: Any) -> dict[str, Any]:
        return row_of_job(draft, asked, *others) if asked.name != "job 1" else {}["a fault"]

    monkeypatch.setattr(intake, "row_of_job", fail_for_one)

    found = together.submit(requests(3))

    assert [type(each).__name__ for each in found] == ["Submission", "KeyError", "Submission"]


@pytest.mark.parametrize("error", [DatabaseUnavailable, DatabaseError])
def test_none_is_accepted_that_is_not_committed(
    together: Intake, database: Database, queue: FakeQueue, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*_: Any) -> None:
        raise error("for the test")

    monkeypatch.setattr(intake.jobs, "add_jobs", fail)
    before = rows_of_every_table(database)

    found: Sequence[Any]
    try:
        found = together.submit(requests(3))
    except DatabaseUnavailable as raised:
        found = [raised] * 3

    assert [type(each) for each in found] == [error] * 3
    assert (rows_of_every_table(database), queue.rung) == (before, [])


@pytest.mark.parametrize(("slots", "bells"), [(0, 5), (2, 2), (8, 5)])
def test_a_bell_is_rung_for_every_slot_that_could_hear_it(
    together: Intake, database: Database, queue: FakeQueue, slots: int, bells: int
) -> None:
    """Without a worker it is not known how many will come."""
    if slots:
        add_worker(database, slots)
        add_worker(database, 3, "cuda")

    job_ids = accepted(together.submit(requests(5, device="cpu")))

    assert queue.rung == [(job_id, "cpu") for job_id in job_ids[:bells]]


def test_all_rows_are_there_before_the_first_bell(together: Intake, database: Database, queue: FakeQueue) -> None:
    seen: list[int] = []
    queue.at_ring = lambda _: seen.append(rows_of_every_table(database)["jobs"])

    together.submit(requests(3))

    assert seen == [3, 3, 3]


def test_no_job_is_lost_when_the_process_dies_between_the_commit_and_the_bell(
    together: Intake, database: Database, queue: FakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_: UUID) -> None:
        raise SystemExit

    queue.at_ring = die
    with pytest.raises(SystemExit):
        together.submit(requests(3))
    assert rows_of_every_table(database)["jobs"] == 3
    queue.at_ring = lambda _: None
    monkeypatch.setattr(lost_jobs, "SILENT_SECONDS", -1.0)

    rung = lost_jobs.ring_again(database, queue)

    assert len(rung) == 3
    assert [read(database, job_id).status for job_id in rung] == ["queued"] * 3


def test_jobs_that_no_bell_was_rung_for_are_known_to_the_reaper(
    together: Intake, database: Database, queue: FakeQueue
) -> None:
    add_worker(database, 2)
    queue.is_up = False

    job_ids = accepted(together.submit(requests(4)))
    queue.is_up = True

    assert lost_jobs.ring_again(database, queue) == job_ids


def test_many_clients_get_a_job_each(client: TestClient, app: FastAPI, queue: FakeQueue) -> None:
    answers = at_once(16, lambda number: client.post("/v1/jobs", json=LECTURE | {"name": str(number)}))

    assert [answer.status_code for answer in answers] == [202] * 16
    assert [answer.json()["name"] for answer in answers] == [str(number) for number in range(16)]
    assert len({answer.json()["id"] for answer in answers}) == 16


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (LECTURE, True),
        (LECTURE | {"predict": [1.0] * 1001}, False),
        ({"dataset": {"x": [1.0] * 400, "y": [1.0] * 400}}, False),
        ({"dataset": {"id": str(UUID(int=1))}}, False),
    ],
    ids=["lecture", "many points", "many rows", "stored"],
)
def test_only_small_jobs_are_accepted_together(wanted: dict[str, Any], expected: bool) -> None:
    assert is_small(JobRequest.model_validate(wanted)) is expected


def test_what_the_api_rehearses_leaves_nothing(app: FastAPI, database: Database, settings: Settings) -> None:
    before = rows_of_every_table(database)
    job = rehearse_submission(database, storage(), settings)
    app.state.job_responses.rehearse(job)
    assert rows_of_every_table(database) == before
