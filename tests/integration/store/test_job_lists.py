"""Lists of jobs: their filters, their order, and pages that follow each other."""

from datetime import timedelta
from itertools import islice
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from workbench import change, claimed, read, request, submit

from service.jobs import many
from service.store.database import Database
from service.store.jobs.lists import SORTED, Filters, Order, Period, Position, select_jobs
from service.store.tables import Job

on_one_database = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def listed(database: Database, filters: Filters, *, after: UUID | None = None, limit: int = 1000) -> list[UUID]:
    position = Position(None, after) if after else None
    with database.reading() as session:
        return [job.id for job in select_jobs(session, filters, after=position, limit=limit)]


def test_jobs_are_listed_newest_first(database: Database) -> None:
    added = [submit(database) for _ in range(5)]

    assert listed(database, Filters()) == added[::-1]
    assert [read(database, each).created_at for each in added] == sorted(read(database, e).created_at for e in added)


@on_one_database
@given(st.data())
def test_pages_show_every_earlier_job_once_while_others_are_added(database: Database, data: st.DataObject) -> None:
    group = Filters(metadata=(("group", str(uuid4())),))

    def add(count: int) -> list[UUID]:
        return [submit(database, request() | {"metadata": dict(group.metadata)}) for _ in range(count)]

    earlier = add(data.draw(st.integers(0, 5)))
    seen: list[UUID] = []
    while page := listed(database, group, after=seen[-1] if seen else None, limit=data.draw(st.integers(1, 4))):
        seen += page
        add(data.draw(st.integers(0, 2)))

    assert seen == earlier[::-1]


def test_filters_choose_by_status_name_and_dataset(database: Database) -> None:
    others = {"dataset": {"x": [1.0, 2.0], "y": [3.0, 4.0]}}
    waiting, named = submit(database), submit(database, request() | others | {"name": "one"})
    running = claimed(database).job_id
    sharing = submit(database, {"dataset": {"id": str(read(database, named).dataset_id)}})

    assert listed(database, Filters(statuses=("running",))) == [running]
    assert listed(database, Filters(statuses=("queued",))) == [sharing, named, waiting]
    assert listed(database, Filters(statuses=("failed",))) == []
    assert listed(database, Filters(name="one")) == [named]
    assert listed(database, Filters(name="On")) == []
    assert listed(database, Filters(dataset_id=read(database, named).dataset_id)) == [sharing, named]
    assert listed(database, Filters(statuses=("queued",), name="one", metadata=(("a", "b"),))) == []


characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
label_names = st.text(characters, min_size=1, max_size=8)
label_values = st.text(characters, max_size=8)


@on_one_database
@given(st.dictionaries(label_names, label_values, min_size=1, max_size=4), label_names, label_values)
@example({'"quoted"': '"', "a.b": "c", "$.x[0]": "'", "back\\slash": "\\", "größe": "✓", "'; --": "%"}, "a", "b")
@example({"a": "1"}, "a", "")
@example({"A": "x"}, "a", "x")
@example({"é": "x"}, "é", "x")
@example({"a": "x "}, "a", "x")
def test_metadata_is_found_by_exactly_its_names_and_values(
    database: Database, labels: dict[str, str], other_name: str, other_value: str
) -> None:
    job_id = submit(database, request() | {"metadata": labels})

    for pair in labels.items():
        assert job_id in listed(database, Filters(metadata=(pair,)))
    assert job_id in listed(database, Filters(metadata=tuple(labels.items())))
    for pair in ((other_name, other_value), *((name, other_value) for name in labels)):
        assert (job_id in listed(database, Filters(metadata=(pair,)))) == (labels.get(pair[0]) == pair[1])
    assert read(database, job_id).metadata_ == labels


values = st.lists(st.sampled_from([None, 0.0, 1.5, -2.0, 1e300]), min_size=1, max_size=6)


@on_one_database
@given(values, st.sampled_from(sorted(SORTED)), st.booleans(), st.integers(1, 3))
def test_sorted_pages_show_every_job_once_and_those_without_a_value_last(
    database: Database, values: list[float | None], by: str, descending: bool, limit: int
) -> None:
    group = Filters(metadata=(("group", str(uuid4())),))
    added = [submit(database, request() | {"metadata": dict(group.metadata)}) for _ in values]
    for job_id, value in zip(added, values, strict=True):
        give(database, job_id, value)

    order, seen, position = Order(by, descending), list[Job](), None
    while True:
        with database.reading() as session:
            page, position = many.list_jobs(session, group, order=order, after=position, limit=limit)
        seen += page
        if position is None:
            break

    assert sorted(job.id for job in seen) == added
    keys = [getattr(job, SORTED[by].key) for job in seen]
    known = [key for key in keys if key is not None]
    assert known == sorted(known, reverse=descending)
    assert keys[len(known) :] == [None] * (len(keys) - len(known))


def give(database: Database, job_id: UUID, value: float | None) -> None:
    """Let a job have this value of all that jobs are sorted by; a time that many seconds after its creation."""
    seconds = timedelta(seconds=min(value or 0.0, 1e6))
    moment = None if value is None else read(database, job_id).created_at + seconds
    columns = {"loss_last": value, "loss_validation": value, "seconds": value or 0.0, "finished_at": moment}
    change(database, lambda session: session.execute(update(Job).where(Job.id == job_id).values(columns)))


def test_jobs_are_found_by_words_of_their_name_and_of_their_metadata(database: Database) -> None:
    rents = submit(database, request() | {"name": "Rents of 2024", "metadata": {"city": "Graz"}})
    percent = submit(database, request() | {"metadata": {"of": "100% _wool\\"}})

    found = {
        "rents": [rents],
        "RAZ": [rents],
        "city": [],
        "0% _WOOL\\": [percent],
        "%": [percent],
        "": [percent, rents],
    }
    assert {words: listed(database, Filters(words=words)) for words in found} == found


def test_a_period_has_its_first_moment_and_not_its_last(database: Database) -> None:
    first, second = submit(database), submit(database)
    begin, end = (read(database, each).created_at for each in (first, second))

    assert listed(database, Filters(created=Period(begin, end))) == [first]
    assert listed(database, Filters(created=Period(since=end))) == [second]
    assert listed(database, Filters(created=Period(before=begin))) == []
    assert listed(database, Filters(finished=Period(before=end))) == [], "nothing has finished"


def test_jobs_are_listed_by_their_ids(database: Database) -> None:
    first, _, third = islice(iter(lambda: submit(database), None), 3)
    assert listed(database, Filters(ids=(first, third, uuid4()))) == [third, first]


@pytest.mark.parametrize("statuses", [(), ("running",)])
def test_filters_that_name_nothing_keep_all(statuses: tuple[str, ...]) -> None:
    assert Filters(statuses).keep_all == (not statuses)


def test_of_many_jobs_those_that_run_are_asked_to_stop_and_the_others_end(database: Database) -> None:
    waiting, running = submit(database), claimed(database).job_id

    assert many.cancel_jobs(database, Filters(ids=(waiting, running)), dry_run=True).job_ids == [waiting, running]
    assert read(database, waiting).status == "queued"
    assert many.cancel_jobs(database, Filters(ids=(waiting, running)), dry_run=False).matched == 2

    assert read(database, waiting).status == "cancelled"
    assert read(database, running).cancel_requested
