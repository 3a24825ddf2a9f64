"""How often a call asks the database: what is known is not read again, and a page asks once for all its jobs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event
from workbench import LECTURE, request, submit_sweep

from service.store.database import Database

Trained = Callable[[dict[str, Any]], UUID]


@contextmanager
def statements() -> Iterator[list[str]]:
    """What any database of this process is asked meanwhile; on SQLite also every BEGIN, on PostgreSQL none alone."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith("BEGIN ISOLATION"):
            asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize(("headers", "reads"), [({}, 0), ({"Idempotency-Key": "once"}, 1)], ids=["alone", "with a key"])
def test_a_job_that_is_submitted_is_not_read_for_its_answer_or_once(
    client: TestClient, database: Database, headers: dict[str, str], reads: int
) -> None:
    client.post("/v1/jobs", json=LECTURE)  # after it the data is known
    with statements() as asked:
        answer = client.post("/v1/jobs", json=LECTURE, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert len([each for each in asked if each.startswith("SELECT jobs.") and "idempotency_key =" not in each]) == reads
    assert len(asked) <= 9, asked


def test_a_job_with_warnings_costs_no_more_statements_than_one_without(client: TestClient) -> None:
    counts = {}
    for rate in (0.01, 100.0):
        with statements() as asked:
            warnings = client.post("/v1/jobs", json=request(learning_rate=rate)).json()["warnings"]
        counts[bool(warnings)] = len(asked)
    assert counts[True] <= counts[False]


def test_a_page_of_a_thousand_queued_jobs_is_five_queries_at_most(client: TestClient, database: Database) -> None:
    rates = [(each + 1) / 1e6 for each in range(1001)]
    submit_sweep(database, {"dataset": {"x": [1.0, 2.0], "y": [2.0, 4.0]}, "grid": {"learning_rate": rates}})
    with statements() as asked:
        page = client.get("/v1/jobs?status=queued&limit=1000").json()
    assert page["next"]
    assert len(page["data"]) == 1000
    assert all(job["reason"] and job["transitions"] for job in page["data"])
    assert len(asked) <= 5, asked


@pytest.mark.parametrize(
    ("path", "table"),
    [("epochs", "epochs"), ("epochs/0/steps", "steps"), ("events", "events"), ("predictions", "jobs")],
)
def test_a_page_of_records_reads_neither_the_whole_job_nor_events_nobody_asked_for(
    client: TestClient, trained: Trained, path: str, table: str
) -> None:
    job_id = trained(LECTURE)
    with statements() as asked:
        assert client.get(f"/v1/jobs/{job_id}/{path}").json()["data"]
    assert not [each for each in asked if "jobs.weights" in each], "the model is no part of the page"
    assert table == "events" or not [each for each in asked if "events." in each]
    assert len([each for each in asked if not each.startswith("BEGIN")]) <= (5 if path.endswith("steps") else 2)
