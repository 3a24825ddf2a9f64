"""What is old goes, in parts that keep nobody waiting; what somebody has named stays."""

from datetime import timedelta
from itertools import pairwise
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event, func, select, update
from sqlalchemy.orm import Session
from workbench import (
    LECTURE,
    MANY_ROWS,
    change,
    jobs_of,
    read,
    request,
    rows_of_every_table,
    storage,
    submit,
    submit_sweep,
)

from service.jobs.aliases import put_alias
from service.store import retention as stored
from service.store.database import Database, now
from service.store.tables import Dataset, Epoch, Job, Step, Sweep
from service.upkeep import retention
from service.upkeep.retention import Pruned, find_prunable, prune

MONTH = timedelta(days=30)


def age(database: Database, days: float, *job_ids: UUID) -> None:
    """Let jobs have ended this long ago, and everything else be as old."""

    def write(session: Session) -> None:
        moment = now(session) - timedelta(days=days)
        ended = {"finished_at": moment, "created_at": moment, "status": "succeeded"}
        session.execute(update(Job).where(Job.id.in_(job_ids)).values(ended))
        session.execute(update(Sweep).values(created_at=moment))
        session.execute(update(Dataset).values(created_at=moment))

    change(database, write)


def left(database: Database) -> set[UUID]:
    with database.reading() as session:
        return set(session.scalars(select(Job.id)))


def test_jobs_that_ended_long_ago_go_with_all_that_they_had(database: Database) -> None:
    old, large, young, open_ = (submit(database, each) for each in (LECTURE, MANY_ROWS, request(), request(epochs=7)))
    age(database, 31, old, large)
    age(database, 29, young)
    would = find_prunable(database, MONTH)

    done = prune(database, storage(), MONTH)

    assert would == done == Pruned(jobs=2, records=0, datasets=0)
    assert left(database) == {young, open_}
    assert rows_of_every_table(database)["datasets"] == 1, "the two that are left share theirs"


def test_only_jobs_that_ended_in_the_chosen_way_go(database: Database) -> None:
    failed, succeeded = submit(database), submit(database)
    age(database, 31, failed, succeeded)
    change(database, lambda session: session.execute(update(Job).where(Job.id == failed).values(status="failed")))

    assert prune(database, storage(), MONTH, ["failed"]).jobs == 1

    assert left(database) == {succeeded}


def test_what_has_a_name_stays(database: Database) -> None:
    named, plain = submit(database), submit(database)
    sweep, other = (submit_sweep(database, request() | {"grid": {"seed": [1, 2]}}) for _ in range(2))
    first, second = (job.id for job in jobs_of(database, sweep))
    age(database, 31, named, plain, first, second, *(job.id for job in jobs_of(database, other)))
    put_alias(database, "best", named)
    put_alias(database, "second", second)

    assert prune(database, storage(), MONTH).jobs == 3

    assert left(database) == {named, first, second}, "a sweep stays as a whole"
    assert rows_of_every_table(database)["sweeps"] == 1


def test_a_sweep_with_a_job_that_is_open_or_young_stays(database: Database) -> None:
    sweep = submit_sweep(database, request() | {"grid": {"seed": [1, 2]}})
    first, second = (job.id for job in jobs_of(database, sweep))
    age(database, 31, first)
    assert prune(database, storage(), MONTH).jobs == 0
    age(database, 29, second)
    assert prune(database, storage(), MONTH).jobs == 0

    age(database, 31, second)
    assert prune(database, storage(), MONTH).jobs == 2


def test_datasets_that_nobody_uses_go_unless_they_have_a_name(database: Database) -> None:
    used, unused, named = submit(database), submit(database, LECTURE), submit(database, MANY_ROWS)
    datasets = {job_id: read(database, job_id).dataset.id for job_id in (used, unused, named)}

    def upload(session: Session) -> None:
        session.execute(update(Dataset).values(is_inline=False))
        session.execute(update(Dataset).where(Dataset.id == datasets[named]).values(name="rents", version=1))

    change(database, upload)
    age(database, 31, unused, named)

    assert prune(database, storage(), MONTH) == Pruned(jobs=2, records=0, datasets=1)

    with database.reading() as session:
        assert set(session.scalars(select(Dataset.id))) == {datasets[used], datasets[named]}


def test_no_transaction_deletes_many_records(database: Database, trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each ends between two of the parts: what one deletes is not more than it may."""
    several = [trained(request(epochs=60, batch_size=1)), *(trained(request(epochs=3)) for _ in range(5))]
    age(database, 31, *several)
    monkeypatch.setattr(retention, "_MOST_RECORDS", 50)
    with database.reading() as session:
        whole = stored.count_records(session, several)
    seen = [whole]

    def count(connection: Any) -> None:
        seen.append(sum(connection.scalar(select(func.count()).select_from(table)) for table in (Epoch, Step)))

    event.listen(database.writer, "commit", count)
    done = prune(database, storage(), MONTH)
    event.remove(database.writer, "commit", count)

    parts = [before - after for before, after in pairwise(seen)]
    assert done == Pruned(jobs=6, records=whole, datasets=0)
    assert whole == sum(parts) == 60 + 240 + 5 * 6
    assert max(parts) == 50
    assert left(database) == set()


def test_a_job_that_gets_a_name_before_its_turn_keeps_its_records(
    database: Database, trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, find = trained(request()), retention.retention.ended_jobs
    age(database, 31, job_id)

    def find_and_name(*arguments: Any, **named: Any) -> list[UUID]:
        found = find(*arguments, **named)
        if found:
            put_alias(database, "best", job_id)
        return found

    monkeypatch.setattr(retention.retention, "ended_jobs", find_and_name)
    assert prune(database, storage(), MONTH) == Pruned(0, 0, 0)

    with database.reading() as session:
        assert stored.count_records(session, [job_id]) > 0


def test_whoever_ends_deletes_no_more(database: Database) -> None:
    old = submit(database)
    age(database, 31, old)
    assert prune(database, storage(), MONTH, is_ending=lambda: True) == Pruned(jobs=0, records=0, datasets=0)
    assert left(database) == {old}


def test_a_chore_that_fails_keeps_no_other_from_being_done(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    done = Event()

    def fail() -> None:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr("service.api.app._CHORES_SECONDS", 0.01)
    monkeypatch.setattr("service.api.app.chores", lambda *_: [("one", fail), ("another", done.set)])
    with TestClient(app):
        assert done.wait(30)
        done.clear()
        assert done.wait(30)
