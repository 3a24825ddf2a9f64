"""A key that makes a repeated request harmless."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from workbench import (
    LECTURE,
    FakeQueue,
    at_once,
    problem_of,
    rows_of_every_table,
)

from service.store.database import Database
from service.store.jobs.idempotency import lock_key
from service.store.tables import Job

Trained = Callable[[dict[str, Any]], UUID]


def test_a_repeated_request_with_a_key_makes_no_second_job(
    client: TestClient, queue: FakeQueue, database: Database
) -> None:
    key = {"idempotency-key": "a key, with ~ and spaces"}
    first, second = (client.post("/v1/jobs", json=LECTURE, headers=key) for _ in range(2))

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert second.headers["location"] == first.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert len(queue.rung) == 1
    assert rows_of_every_table(database)["jobs"] == rows_of_every_table(database)["datasets"] == 1


def test_a_repeated_request_is_the_same_however_it_is_written(client: TestClient) -> None:
    key = {"idempotency-key": "key"}
    first = client.post("/v1/jobs", json={"dataset": {"x": [1, 2], "y": [2, 4]}}, headers=key)
    written = '{ "dataset": {"y": [2.0, 4.0], "x": [1.0, 2.0]}, "device": "auto" }'

    second = client.post("/v1/jobs", content=written, headers=key | {"content-type": "application/json"})

    assert second.json()["id"] == first.json()["id"]


def test_a_repeated_request_is_answered_with_the_job_as_it_is_now(
    client: TestClient, train: Callable[[str], None]
) -> None:
    key = {"idempotency-key": "key"}
    train(client.post("/v1/jobs", json=LECTURE, headers=key).json()["id"])

    again = client.post("/v1/jobs", json=LECTURE, headers=key)

    assert (again.status_code, again.json()["status"]) == (202, "succeeded")


def test_a_key_that_came_with_another_body_is_refused(client: TestClient, database: Database) -> None:
    key = {"idempotency-key": "key"}
    client.post("/v1/jobs", json=LECTURE, headers=key)

    answer = client.post("/v1/jobs", json=LECTURE | {"name": "another"}, headers=key)

    assert problem_of(answer, 422)["type"] == "/problems/idempotency-key-reused"
    assert rows_of_every_table(database)["jobs"] == 1


def test_different_keys_and_no_key_make_different_jobs(client: TestClient) -> None:
    keys = [{"idempotency-key": "a"}, {"idempotency-key": "b"}, {}, {}]

    assert len({client.post("/v1/jobs", json=LECTURE, headers=key).json()["id"] for key in keys}) == 4


def test_a_key_is_free_again_when_its_job_has_been_deleted(client: TestClient) -> None:
    key = {"idempotency-key": "key"}
    first = client.post("/v1/jobs", json=LECTURE, headers=key).json()["id"]
    client.delete(f"/v1/jobs/{first}")

    second = client.post("/v1/jobs", json=LECTURE, headers=key)

    assert second.status_code == 202
    assert second.json()["id"] != first


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_request_whose_key_is_in_flight_is_told_so(client: TestClient, database: Database) -> None:
    key = {"idempotency-key": "key"}
    with database.writing() as session:
        assert lock_key(session, Job, "key")
        problem = problem_of(client.post("/v1/jobs", json=LECTURE, headers=key), 409)
        others = client.post("/v1/jobs", json=LECTURE, headers={"idempotency-key": "another"})

    assert problem["type"] == "/problems/idempotency-key-in-flight"
    assert others.status_code == 202
    assert client.post("/v1/jobs", json=LECTURE, headers=key).status_code == 202


def test_fifty_requests_with_one_key_at_once_make_one_job(
    client: TestClient, queue: FakeQueue, database: Database
) -> None:
    def post(_: int) -> tuple[int, str | None]:
        answer = client.post("/v1/jobs", json=LECTURE, headers={"idempotency-key": "key"})
        return answer.status_code, answer.json().get("id")

    answers = at_once(50, post)

    assert {status for status, _ in answers} <= {202, 409}
    [job_id] = {job_id for status, job_id in answers if status == 202}
    assert rows_of_every_table(database)["jobs"] == rows_of_every_table(database)["datasets"] == 1
    assert [str(rung) for rung, _ in queue.rung] == [job_id]
