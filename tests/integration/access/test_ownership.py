"""Whose rows a database shows: an owner's view has nothing in it but what is the owner's, whatever is asked of it."""

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import aliased
from workbench import LECTURE, read, request, submit

from service.store.database import Database
from service.store.records.bulk_reading import select_columns
from service.store.tables import Dataset, Epoch, Event, Job, Step, Table


@pytest.fixture
def alice(database: Database) -> Database:
    return database.of_owner("alice", sees_all=False)


@pytest.fixture
def bob(database: Database) -> Database:
    return database.of_owner("bob", sees_all=False)


def test_what_is_made_in_a_view_is_its_owner_s(database: Database, alice: Database, bob: Database) -> None:
    job_id = submit(alice, LECTURE)

    with database.reading() as session:
        job = session.get(Job, job_id)
        assert job
        assert (job.owner, job.dataset.owner) == ("alice", "alice")
    with alice.reading() as session:
        assert session.get(Job, job_id)
    with bob.reading() as session:
        assert session.get(Job, job_id) is None


@pytest.mark.parametrize("table", [Job, Dataset, Event, Epoch, Step], ids=lambda table: table.__tablename__)
def test_another_s_rows_are_not_there(
    database: Database, alice: Database, bob: Database, train: Callable[[UUID], None], table: type[Table]
) -> None:
    train(submit(alice, LECTURE))

    counted = select(func.count()).select_from(table)
    seen = [view.query(lambda connection: connection.scalar(counted)) for view in (database, alice, bob)]

    assert seen[0] == seen[1] > 0
    assert seen[2] == 0


QUESTIONS = {
    "a class": lambda: select(Job),
    "a column": lambda: select(Job.name),
    "an aggregate": lambda: select(func.max(Job.name)),
    "an alias": lambda: select(aliased(Job).name),
    "a join": lambda: select(Event.seq).join(Job, Job.id == Event.job_id),
    "a subquery": lambda: select(select(Job.id).subquery()),
    "a list of ids": lambda: select(Dataset.id).where(Dataset.id.in_(select(Job.dataset_id))),
    "a correlated one": lambda: select(Dataset.id).where(select(Job.id).where(Job.dataset_id == Dataset.id).exists()),
    "a union": lambda: select(select(Job.id).union_all(select(Job.id)).subquery()),
    "an UPDATE": lambda: update(Job).values(name="mine").returning(Job.id),
    "a DELETE": lambda: delete(Event).returning(Event.seq),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_statement_finds_another_s_rows_however_it_asks(
    database: Database, alice: Database, bob: Database, question: str
) -> None:
    submit(alice, LECTURE)

    for view, expected in ((bob, False), (alice, True)):
        with view.writing() as session:
            found = [row for row in session.execute(QUESTIONS[question]()).all() if row[0] is not None]
        assert bool(found) is expected


def test_columns_that_are_read_in_bulk_are_the_owner_s(
    alice: Database, bob: Database, train: Callable[[UUID], None]
) -> None:
    job_id = submit(alice, LECTURE)
    train(job_id)
    lengths = []

    for view in (alice, bob):
        with view.reading() as session:
            rows = select(Epoch).where(Epoch.job_id == job_id)
            loss = select_columns(session, ["loss"], rows)["loss"]
            assert loss is not None
            lengths.append(len(loss))

    assert lengths == [10, 0]


def test_a_job_shows_the_dataset_that_it_learnt_from_whoever_has_it(database: Database, alice: Database) -> None:
    operator, reader = (database.of_owner("operator", sees_all=sees_all) for sees_all in (True, False))
    dataset_id = read(alice, submit(alice, LECTURE)).dataset_id

    job_id = submit(operator, request() | {"dataset": {"id": str(dataset_id)}})

    with reader.reading() as session:
        job = session.get(Job, job_id)
        assert job
        assert job.dataset.owner == "alice"
    with reader.reading() as session:
        assert session.get(Dataset, dataset_id) is None


def test_every_table_belongs_to_somebody_or_is_known_to_belong_to_nobody() -> None:
    unowned = {
        mapper.local_table.name
        for mapper in Table.registry.mappers
        if not {"owner", "job_id"} & set(mapper.local_table.c.keys())
    }
    assert unowned == {"holds", "workers"}
