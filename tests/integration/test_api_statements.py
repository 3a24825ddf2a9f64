"""How often a call asks the database: what is known is not read again, and a page asks once for all its jobs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from fastapi.testclient import TestClient
from sqlalchemy import Engine, event
from workbench import LECTURE, request

from service.store.database import Database

Trained = Callable[[dict[str, Any]], UUID]


@contextmanager
def statements() -> Iterator[list[str]]:
    """What any database of this process is asked meanwhile; on SQLite also every BEGIN."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_a_job_that_is_submitted_is_read_once_for_its_answer(client: TestClient, database: Database) -> None:
    client.post("/v1/jobs", json=LECTURE)  # after it the data is known
    with statements() as asked:
        answer = client.post("/v1/jobs", json=LECTURE)
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert len([each for each in asked if each.startswith("SELECT jobs.")]) == 1
    assert len(asked) <= 9, asked


def test_a_job_with_warnings_costs_no_more_statements_than_one_without(client: TestClient) -> None:
    counts = {}
    for rate in (0.01, 100.0):
        with statements() as asked:
            warnings = client.post("/v1/jobs", json=request(learning_rate=rate)).json()["warnings"]
        counts[bool(warnings)] = len(asked)
    assert counts[True] <= counts[False]
