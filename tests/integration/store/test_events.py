"""Events: numbered from 1 without a gap, whoever writes them and whatever is rolled back."""

import pytest
from sqlalchemy.orm import Session
from workbench import add_warning, at_once, read, submit

from service.store import events
from service.store.database import Database


def sequence(database: Database, job_id: object) -> list[int]:
    return [event.seq for event in read(database, job_id).events]  # type: ignore[arg-type]


def test_events_of_many_writers_are_numbered_without_a_gap(database: Database) -> None:
    job_id = submit(database)

    def write(number: int) -> None:
        for turn in range(5):
            with database.writing() as session:
                add_warning(session, job_id, f"{number}.{turn}")
                session.commit()

    at_once(6, write)

    assert sequence(database, job_id) == list(range(1, 1 + 1 + 6 * 5))
    assert len({event.detail for event in read(database, job_id).events}) == 1 + 6 * 5


def test_an_event_that_is_rolled_back_leaves_no_gap(database: Database) -> None:
    job_id = submit(database)

    def fail(session: Session) -> None:
        add_warning(session, job_id, "never")
        raise RuntimeError

    with pytest.raises(RuntimeError), database.writing() as session:
        fail(session)
    with database.writing() as session:
        add_warning(session, job_id, "kept")
        session.commit()

    assert sequence(database, job_id) == [1, 2]
    assert read(database, job_id).events[-1].detail == "kept"


def test_each_job_counts_its_own_events(database: Database) -> None:
    first, second = submit(database), submit(database)
    for job_id in (first, second, first):
        with database.writing() as session:
            add_warning(session, job_id, "look out")
            session.commit()

    assert (sequence(database, first), sequence(database, second)) == ([1, 2, 3], [1, 2])


def test_events_after_a_number_are_read_in_order_up_to_the_limit(database: Database) -> None:
    job_id = submit(database)
    with database.writing() as session:
        for number in range(5):
            add_warning(session, job_id, str(number))
        session.commit()

    with database.reading() as session:
        assert [event.detail for event in events.events_after(session, job_id, 2, 3)] == ["1", "2", "3"]
        assert events.events_after(session, job_id, 6, 3) == []


def test_what_happened_after_a_job_was_read_is_not_told_with_it(database: Database) -> None:
    """As outside a transaction, where each statement sees a moment of its own."""
    job_id = submit(database)
    before = read(database, job_id)
    with database.writing() as session:
        add_warning(session, job_id, "later")
        session.commit()

    with database.reading() as session:
        assert [event.seq for event in events.events_of(session, before)] == [1]
        assert [event.seq for event in events.events_of(session, read(database, job_id))] == [1, 2]
