"""Waiting for a job: until it has ended, until it is another than the one that is known, and what it waits for."""

from collections.abc import Callable
from functools import partial
from itertools import chain
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from uuid_utils.compat import uuid7
from workbench import (
    LECTURE,
    FakeQueue,
    add_warning,
    at_once,
    change,
    claim,
    claimed,
    problem_of,
    request,
    submit,
)

from service.store import workers
from service.store.database import Database
from service.store.jobs import jobs
from service.store.tables import Worker

Trained = Callable[[dict[str, Any]], UUID]


def add_worker(database: Database, *devices: str) -> UUID:
    """A live worker with these devices."""
    worker = Worker(
        id=uuid7(),
        hostname="here",
        process_id=1,
        version="0",
        devices=[{"name": name, "description": "the test's"} for name in devices],
        slots=1,
    )
    change(database, lambda session: workers.add_worker(session, worker))
    return worker.id


# waiting


@pytest.mark.parametrize("preference", ["wait=30", 'Wait = "30"', "return=minimal, wait=30", "wait=999999"])
def test_a_client_that_prefers_to_wait_is_answered_with_the_finished_job(
    client: TestClient, queue: FakeQueue, train: Callable[[UUID], None], preference: str
) -> None:
    queue.at_ring = train

    answer = client.post("/v1/jobs", json=LECTURE, headers={"prefer": preference})

    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"


def test_a_client_waits_until_a_worker_has_ended_the_job(
    client: TestClient, queue: FakeQueue, train: Callable[[UUID], None]
) -> None:
    rung, job_ids = Event(), []

    def note(job_id: UUID) -> None:
        job_ids.append(job_id)
        rung.set()

    def act(number: int) -> Any:
        if number == 0:
            return client.post("/v1/jobs", json=LECTURE, headers={"prefer": "respond-async, wait=30"})
        assert rung.wait(30)
        return train(job_ids[0])

    queue.at_ring = note
    answer, _ = at_once(2, act)

    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")


def test_a_client_that_has_waited_long_enough_is_answered_with_the_waiting_job(client: TestClient) -> None:
    answer = client.post("/v1/jobs", json=LECTURE, headers={"prefer": "wait=1"})

    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert answer.elapsed.total_seconds() >= 1


@pytest.mark.parametrize("preference", ["", "wait", "wait=soon", "wait=-5", "respond-async", "patience=30", "wait=0"])
def test_a_preference_without_sense_is_ignored(client: TestClient, preference: str) -> None:
    answer = client.post("/v1/jobs", json=LECTURE, headers={"prefer": preference})

    assert answer.status_code == 202


@pytest.fixture
def somebody_waits(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Event:
    """Set as soon as a request waits for a job."""
    waits, changed = Event(), app.state.watch.changed

    async def noted(*arguments: Any) -> None:
        waits.set()
        await changed(*arguments)

    monkeypatch.setattr(app.state.watch, "changed", noted)
    return waits


def while_watched(client: TestClient, job_id: UUID, somebody_waits: Event, act: Callable[[], Any]) -> Any:
    """What a client is answered that waits for a change of a job, and what came of that which was done meanwhile."""

    def take_part(number: int) -> Any:
        if number == 0:
            return client.get(f"/v1/jobs/{job_id}", headers={"prefer": "wait=30"})
        assert somebody_waits.wait(30)
        return act()

    return at_once(2, take_part)


def test_a_job_that_is_watched_is_answered_when_it_changes(
    client: TestClient, database: Database, somebody_waits: Event
) -> None:
    job_id = submit(database)

    answer, _ = while_watched(client, job_id, somebody_waits, lambda: claim(database, job_id))

    assert (answer.status_code, answer.json()["status"]) == (200, "running")
    assert answer.elapsed.total_seconds() < 20


def test_a_job_that_is_deleted_while_it_is_watched_is_not_found(
    client: TestClient, database: Database, somebody_waits: Event
) -> None:
    job_id = submit(database)

    answer, deleted = while_watched(client, job_id, somebody_waits, lambda: client.delete(f"/v1/jobs/{job_id}"))

    assert deleted.status_code == 204
    assert problem_of(answer, 404)["type"] == "/problems/job-not-found"


def test_whoever_waits_is_let_go_when_the_process_ends(
    client: TestClient, app: FastAPI, database: Database, somebody_waits: Event
) -> None:
    job_id = submit(database)

    assert client.portal
    close = partial(client.portal.call, app.state.watch.close)

    answer, _ = while_watched(client, job_id, somebody_waits, close)

    assert (answer.status_code, answer.json()["status"]) == (200, "queued")
    assert answer.elapsed.total_seconds() < 20


def test_a_finished_job_is_not_waited_for(client: TestClient, trained: Trained) -> None:
    answer = client.get(f"/v1/jobs/{trained(LECTURE)}", headers={"prefer": "wait=30"})

    assert answer.json()["status"] == "succeeded"
    assert answer.elapsed.total_seconds() < 20


# conditional requests


def test_a_job_that_has_not_changed_is_not_sent_again(client: TestClient, database: Database) -> None:
    url = f"/v1/jobs/{submit(database)}"
    tag = client.get(url).headers["etag"]

    for held in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = client.get(url, headers={"if-none-match": held})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)


def test_a_job_that_has_changed_is_sent_with_another_tag(client: TestClient, database: Database) -> None:
    job_id = submit(database)
    tag = client.get(f"/v1/jobs/{job_id}").headers["etag"]
    assert claim(database, job_id)

    answer = client.get(f"/v1/jobs/{job_id}", headers={"if-none-match": tag})

    assert (answer.status_code, answer.json()["status"]) == (200, "running")
    assert answer.headers["etag"] != tag


def test_a_sign_of_life_does_not_change_the_tag(client: TestClient, database: Database) -> None:
    mine = claimed(database)
    tag = client.get(f"/v1/jobs/{mine.job_id}").headers["etag"]
    change(database, lambda session: mine.beat(session, 60.0))

    assert client.get(f"/v1/jobs/{mine.job_id}", headers={"if-none-match": tag}).status_code == 304


def test_a_client_that_holds_the_tag_waits_for_the_next(client: TestClient, database: Database) -> None:
    job_id = submit(database)
    tag = client.get(f"/v1/jobs/{job_id}").headers["etag"]
    held, same = {"if-none-match": tag}, {"if-none-match": tag, "prefer": "wait=1"}
    assert client.get(f"/v1/jobs/{job_id}", headers=same).status_code == 304

    assert claim(database, job_id)
    answer = client.get(f"/v1/jobs/{job_id}", headers=held | {"prefer": "wait=30"})

    assert (answer.status_code, answer.json()["status"]) == (200, "running")
    assert answer.elapsed.total_seconds() < 20


def test_a_poll_tells_each_change_as_soon_as_it_is_made(client: TestClient, database: Database) -> None:
    """However often the answer was the same before, and whoever made the change."""
    mine = claimed(database)
    url = f"/v1/jobs/{mine.job_id}"

    for done in (1, 2, 3):
        change(database, lambda session, done=done: mine.extend(session, 60.0, epochs_done=done))
        assert [client.get(url).json()["progress"]["epochs_done"] for _ in range(3)] == [done] * 3
    change(database, lambda session: add_warning(session, mine.job_id, "look out"))
    assert client.get(url).json()["warnings"] == ["look out"]
    change(database, lambda session: mine.put_back(session, "for the test"))
    assert "No worker" in client.get(url).json()["reason"]
    change(database, lambda session: jobs.cancel_waiting(session, mine.job_id))
    assert client.get(url).json()["status"] == client.get(url).json()["status"] == "cancelled"
    change(database, lambda session: jobs.remove_job(session, mine.job_id))
    problem_of(client.get(url), 404)


def test_no_answer_is_older_than_its_question(client: TestClient, database: Database) -> None:
    mine, written = claimed(database), [0]

    def act(number: int) -> list[tuple[int, int]]:
        if number == 0:
            for done in range(1, 40):
                change(database, lambda session, done=done: mine.extend(session, 60.0, epochs_done=done))
                written[0] = done
            return []
        asked = []
        while written[0] < 39:
            known = written[0]
            asked.append((known, client.get(f"/v1/jobs/{mine.job_id}").json()["progress"]["epochs_done"]))
        return asked

    for known, answered in chain(*at_once(5, act)):
        assert answered >= known
    assert client.get(f"/v1/jobs/{mine.job_id}").json()["progress"]["epochs_done"] == 39


# why a job waits


def test_a_waiting_job_says_what_it_waits_for(client: TestClient, database: Database) -> None:
    job_id = submit(database, request() | {"device": "cuda:1"})
    url = f"/v1/jobs/{job_id}"

    def reason() -> str:
        return str(client.get(url).json()["reason"])

    assert "No worker is alive" in reason()
    first = add_worker(database, "cpu", "cuda:0")
    assert reason() == "No live worker has cuda:1; there is cpu, cuda:0"
    tag = client.get(url).headers["etag"]
    second = add_worker(database, "cpu", "cuda:1")
    assert "free worker" in reason()
    assert client.get(url, headers={"if-none-match": tag}).status_code == 200, "the reason is part of the tag"
    change(database, lambda session: workers.stop_worker(session, first))
    assert "free worker" in reason()
    change(database, lambda session: workers.touch_worker(session, second, hears=False))
    assert reason().startswith("No worker hears the broker")
    assert claim(database, job_id, devices=["cuda:1"])
    assert client.get(url).json()["reason"] is None


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cpu", "auto"])
def test_a_waiting_job_that_a_live_worker_serves_waits_for_it_to_be_free(
    client: TestClient, database: Database, device: str
) -> None:
    add_worker(database, "cpu", "cuda:0")

    job = client.post("/v1/jobs", json=request() | {"device": device}).json()

    assert job["reason"] == "It waits for a free worker"
