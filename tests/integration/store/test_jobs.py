"""Jobs as rows: their version and their removal."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session
from workbench import (
    LECTURE,
    MANY_ROWS,
    abandoned,
    add_warning,
    change,
    claimed,
    columns,
    end_job,
    read,
    request,
    rows_of_every_table,
    storage,
    submit,
)

import service.jobs.jobs
from service.data.numbers import load_job_data, object_name
from service.store.database import Database
from service.store.jobs import bells, jobs
from service.store.leases import lost_leases
from service.store.leases.leases import JobLease
from service.store.tables import Job
from slope.engines.plan import plan
from slope.spec import JobRequest


def storage_names() -> set[str]:
    return {each.name for each in storage().everything()}


on_one_database = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
VISIBLE: dict[str, Callable[[Session, JobLease], Any]] = {
    "progress": lambda session, mine: mine.extend(session, 60.0, epochs_done=1),
    "an end": lambda session, mine: end_job(session, mine, "succeeded"),
    "a return to the queue": lambda session, mine: mine.put_back(session, "for the test"),
    "the loss of its worker": lambda session, mine: lost_leases.release_lost(session, abandoned(mine), 3),
    "the wish to cancel": lambda session, mine: jobs.ask_to_cancel(session, mine.job_id),
    "a warning": lambda session, mine: add_warning(session, mine.job_id, "look out"),
}
INVISIBLE: dict[str, Callable[[Session, JobLease], Any]] = {
    "a heartbeat": lambda session, mine: mine.beat(session, 60.0),
    "a bell": lambda session, mine: bells.note_ring(session, [mine.job_id], heard=True),
    "a lost bell": lambda session, mine: bells.note_ring(session, [mine.job_id], heard=False),
}


def version(database: Database, job_id: UUID) -> int:
    with database.reading() as session:
        return jobs.versions_of(session, [job_id, uuid4()])[job_id]


@pytest.mark.parametrize("event", VISIBLE)
def test_a_version_grows_with_every_change_that_can_be_seen(database: Database, event: str) -> None:
    mine = claimed(database)
    before = version(database, mine.job_id)

    change(database, lambda session: VISIBLE[event](session, mine))

    assert version(database, mine.job_id) > before
    assert version(database, mine.job_id) == read(database, mine.job_id).version


def test_a_version_grows_when_a_waiting_job_is_claimed_or_cancelled(database: Database) -> None:
    job_id = submit(database)
    before = version(database, job_id)
    assert change(database, lambda session: jobs.cancel_waiting(session, job_id))

    assert version(database, job_id) > before
    waiting = submit(database)
    assert version(database, claimed(database).job_id) > version(database, waiting)


@pytest.mark.parametrize("event", INVISIBLE)
def test_a_version_stays_when_nothing_that_can_be_seen_has_changed(database: Database, event: str) -> None:
    mine = claimed(database)
    before = version(database, mine.job_id), columns(database, mine.job_id)

    change(database, lambda session: INVISIBLE[event](session, mine))

    assert version(database, mine.job_id) == before[0]
    assert columns(database, mine.job_id) != before[1], "the change itself was made"


def test_versions_leave_out_jobs_that_are_gone(database: Database) -> None:
    kept, gone = submit(database), submit(database)
    assert change(database, lambda session: jobs.remove_job(session, gone))

    with database.reading() as session:
        assert jobs.versions_of(session, [kept, gone]).keys() == {kept}


def test_a_removed_job_takes_its_records_and_its_dataset_along(
    database: Database, trained: Callable[[dict[str, Any]], UUID]
) -> None:
    empty = rows_of_every_table(database)
    job_id = trained(LECTURE)
    full = rows_of_every_table(database)
    written = {"jobs": 1, "datasets": 1, "epochs": 10, "steps": 30, "events": 3}
    assert full | written == full != empty

    dataset_id = read(database, job_id).dataset_id
    assert object_name(dataset_id) not in storage_names(), "few numbers are in the row"

    service.jobs.jobs.delete_job(database, storage(), job_id)

    assert rows_of_every_table(database) == empty
    assert change(database, lambda session: jobs.remove_job(session, job_id)) is None


def test_a_removed_job_takes_the_object_of_its_dataset_along(database: Database) -> None:
    job_id = submit(database, MANY_ROWS)
    dataset_id = read(database, job_id).dataset_id
    assert object_name(dataset_id) in storage_names()

    service.jobs.jobs.delete_job(database, storage(), job_id)

    assert object_name(dataset_id) not in storage_names()


def test_a_removed_job_leaves_a_dataset_that_another_job_uses(database: Database) -> None:
    first = submit(database)
    dataset_id = read(database, first).dataset_id
    second = submit(database, {"dataset": {"id": str(dataset_id)}})

    service.jobs.jobs.delete_job(database, storage(), first)
    assert rows_of_every_table(database)["datasets"] == 1
    service.jobs.jobs.delete_job(database, storage(), second)
    assert rows_of_every_table(database)["datasets"] == 0


def test_jobs_of_the_same_rows_share_a_dataset(database: Database) -> None:
    first, second = submit(database, MANY_ROWS), submit(database, MANY_ROWS)

    assert read(database, first).dataset_id == read(database, second).dataset_id
    service.jobs.jobs.delete_job(database, storage(), first)
    assert object_name(read(database, second).dataset_id) in storage_names()


def test_jobs_of_the_same_few_numbers_share_a_row(database: Database) -> None:
    first, second = submit(database), submit(database)

    assert read(database, first).dataset_id == read(database, second).dataset_id
    service.jobs.jobs.delete_job(database, storage(), first)
    with database.reading() as session:
        job = jobs.find_job(session, second, with_numbers=True)
    assert job is not None
    assert load_job_data(storage(), job).y.tolist() == request()["dataset"]["y"]


def test_a_running_job_is_not_removed(database: Database) -> None:
    mine = claimed(database)
    before = rows_of_every_table(database)

    assert change(database, lambda session: jobs.remove_job(session, mine.job_id)) is None
    assert rows_of_every_table(database) == before


@on_one_database
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=5))
def test_numbers_come_back_from_every_kind_of_column_as_the_same_bits(database: Database, numbers: list[float]) -> None:
    mine = claimed(database, {"dataset": {"x": numbers, "y": numbers}, "hyperparameters": {"dtype": "float64"}})
    change(
        database,
        lambda session: mine.extend(session, 60.0, weights=numbers, bias=numbers[0], scaler={"means": numbers}),
    )

    with database.reading() as session:
        job = session.get_one(Job, mine.job_id)
        stored = load_job_data(storage(), job)

    bits = [number.hex() for number in numbers]
    for column in (job.weights, job.scaler["means"] if job.scaler else None, stored.x[:, 0].tolist(), stored.y):
        assert column is not None
        assert [float(number).hex() for number in column] == bits
    assert job.bias == numbers[0]  # the same bits, but for the sign of zero, which a REAL of SQLite has not


def test_a_job_has_its_spec_and_its_plan_as_types(database: Database) -> None:
    wanted = JobRequest.model_validate(request(learning_rate=0.125, shuffle=True))
    job = read(database, submit(database, wanted.model_dump(mode="json")))
    assert job.training_spec == wanted.hyperparameters
    assert job.planned == replace(plan(wanted.hyperparameters, rows=4, features=1), learning_rate=0.125)


def test_a_specification_that_many_jobs_have_is_read_once_unless_it_is_long(database: Database) -> None:
    few, many = ([0.0] * count for count in (1, 2000))
    first, second = (read(database, submit(database, request(initial_weights=few))) for _ in range(2))
    wide = {"dataset": {"x": [many], "y": [1.0]}, "hyperparameters": {"learning_rate": 0.01, "initial_weights": many}}
    long = [read(database, submit(database, wide)) for _ in range(2)]

    assert first.training_spec is second.training_spec
    assert long[0].training_spec is not long[1].training_spec
    assert long[0].training_spec == long[1].training_spec
