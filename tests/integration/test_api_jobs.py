"""Jobs over HTTP: accepted, found, listed, cancelled, deleted."""

import json
from collections.abc import Callable
from itertools import chain
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy.exc import OperationalError
from uuid_utils.compat import uuid7
from workbench import (
    LECTURE,
    FakeQueue,
    add_warning,
    at_once,
    change,
    claim,
    claimed,
    columns,
    end_job,
    problem_of,
    read,
    request,
    rows_of_every_table,
    submit,
)

from service.errors import ObjectMissing
from service.store import jobs, workers
from service.store.database import Database
from service.store.idempotency import lock_key
from service.store.leases import JobLease
from service.store.tables import Job, Worker

Trained = Callable[[dict[str, Any]], UUID]
JOB = {
    "id",
    "name",
    "status",
    "sweep_id",
    "dataset",
    "hyperparameters",
    "predict",
    "device",
    "assigned_device",
    "timeout_seconds",
    "cross_validation",
    "initial_from",
    "metadata",
    "progress",
    "loss",
    "weights",
    "bias",
    "scaled",
    "plan",
    "analysis",
    "attempt",
    "error",
    "stopped_early",
    "metrics",
    "reason",
    "warnings",
    "created_at",
    "started_at",
    "finished_at",
    "transitions",
}


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


# submission


def test_an_accepted_job_is_described_in_full(client: TestClient) -> None:
    answer = client.post("/v1/jobs", json=LECTURE)

    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert client.get(answer.headers["location"]).json() == job
    assert job.keys() == JOB
    assert UUID(job["id"]).version == 7
    assert {name: job[name] for name in ("name", "status", "predict", "device", "metadata", "attempt")} == {
        "name": "lecture",
        "status": "queued",
        "predict": [4.0],
        "device": "auto",
        "metadata": {"course": "autograd"},
        "attempt": 0,
    }
    assert UUID(job["dataset"].pop("id")).version == 7
    assert job["dataset"] == {"rows": 3, "features": 1, "columns": ["x"], "target": "y", "weights": None}
    assert job["hyperparameters"].items() >= LECTURE["hyperparameters"].items()
    assert job["progress"] == {
        "epochs_done": 0,
        "epochs": 10,
        "fraction": 0.0,
        "epochs_per_second": None,
        "eta_seconds": None,
        "partitions_done": None,
    }
    assert job["loss"] == dict.fromkeys(("first", "last", "best", "training", "validation", "cross_validation"))
    assert job["plan"].keys() >= {"engine", "why", "steps", "recorded_numbers", "estimated_seconds"}
    assert job["analysis"]["exact"] == {"weights": [pytest.approx(2.0)], "bias": None, "loss": pytest.approx(0.0)}
    assert [transition["status"] for transition in job["transitions"]] == ["queued"]
    assert job["created_at"].endswith("Z")
    for name in ("weights", "bias", "scaled", "error", "started_at", "finished_at", "assigned_device"):
        assert job[name] is None


def test_a_finished_job_says_what_came_of_it(client: TestClient, trained: Trained, lecture: dict[str, Any]) -> None:
    job = client.get(f"/v1/jobs/{trained(LECTURE)}").json()

    assert job.keys() == JOB
    assert job["status"] == "succeeded"
    assert job["weights"] == [lecture["records"][-1]["weight_after"]]
    assert job["bias"] is None
    assert job["loss"]["first"] > job["loss"]["last"] == job["loss"]["best"]
    assert (job["progress"]["epochs_done"], job["progress"]["fraction"]) == (10, 1.0)
    assert (job["attempt"], job["assigned_device"], job["reason"], job["error"]) == (1, "cpu", None, None)
    assert [transition["status"] for transition in job["transitions"]] == ["queued", "running", "succeeded"]
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]


@pytest.mark.parametrize("engine", ["eager", "reduced"])
def test_a_standardized_job_goes_on_from_the_weights_of_another(
    engine: str, client: TestClient, trained: Trained
) -> None:
    settings = {"standardize": True, "batch_size": "full", "learning_rate": 0.1, "dtype": "float64", "engine": engine}
    first = client.get(f"/v1/jobs/{trained(request(**settings) | {'predict': [10.0]})}").json()
    start = {"initial_weights": first["weights"], "initial_bias": first["bias"]}
    second = trained(request(**settings, **start) | {"predict": [10.0]})

    after = client.get(f"/v1/jobs/{first['id']}/predictions").json()["data"][0]["after"]
    assert client.get(f"/v1/jobs/{second}/predictions").json()["data"][0]["before"] == pytest.approx(after)
    assert client.post(f"/v1/jobs/{second}/predict", json={"x": [10.0]}).json()["data"][0]["before"] == pytest.approx(
        after
    )
    [step] = client.get(f"/v1/jobs/{second}/epochs/0/steps").json()["data"]
    assert step["loss"] == pytest.approx(first["analysis"]["reached"]["loss"])


def test_a_standardized_job_tells_its_weights_in_the_units_of_its_data(client: TestClient, trained: Trained) -> None:
    wanted = request(standardize=True, epochs=500, learning_rate=0.3, dtype="float64") | {"predict": [10.0]}
    job = client.get(f"/v1/jobs/{(job_id := trained(wanted))}").json()

    [prediction] = client.get(f"/v1/jobs/{job_id}/predictions").json()["data"]

    assert job["weights"] == [pytest.approx(job["analysis"]["exact"]["weights"][0])]
    assert job["bias"] == pytest.approx(job["analysis"]["exact"]["bias"])
    assert job["scaled"]["means"] == [2.5]
    assert job["scaled"]["weights"] != job["weights"]
    assert prediction["after"] == pytest.approx(10 * job["weights"][0] + job["bias"])


def test_the_row_is_committed_before_the_bell_rings(client: TestClient, queue: FakeQueue, database: Database) -> None:
    seen = []
    queue.at_ring = lambda job_id: seen.append(claim(database, job_id))

    job_id = UUID(client.post("/v1/jobs", json=LECTURE | {"device": "cpu"}).json()["id"])

    assert queue.rung == [(job_id, "cpu")]
    assert [each.job_id for each in seen if each] == [job_id]


def test_a_job_is_accepted_while_the_broker_is_down(client: TestClient, queue: FakeQueue, database: Database) -> None:
    queue.is_up = False

    answer = client.post("/v1/jobs", json=LECTURE)

    assert answer.status_code == 202
    with database.reading() as session:
        [unheard] = jobs.unheard_jobs(session, silent_seconds=3600, limit=10)
    assert str(unheard.job_id) == answer.json()["id"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/jobs", LECTURE),
        ("/v1/sweeps", {"dataset": LECTURE["dataset"], "grid": {"learning_rate": [0.1, 0.2], "seed": [0, 1]}}),
    ],
)
def test_what_is_accepted_stays_accepted_when_nobody_can_note_that_the_bell_failed(
    client: TestClient, queue: FakeQueue, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any]
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise OperationalError("UPDATE", {}, Exception("gone"))

    queue.is_up = False
    monkeypatch.setattr(jobs, "note_ring", gone)

    assert client.post(path, json=body).status_code == 202


def test_a_broker_that_fails_in_an_unforeseen_way_loses_no_job(
    app: FastAPI, queue: FakeQueue, database: Database
) -> None:
    def burst(_: UUID) -> None:
        raise RuntimeError("for the test")

    queue.at_ring = burst
    with TestClient(app, raise_server_exceptions=False) as client:
        problem_of(client.post("/v1/jobs", json=LECTURE), 500)

    assert rows_of_every_table(database)["jobs"] == 1


def test_a_job_may_use_the_dataset_of_another(client: TestClient, trained: Trained) -> None:
    first = client.get(f"/v1/jobs/{trained(LECTURE)}").json()

    second = client.post("/v1/jobs", json=LECTURE | {"dataset": {"id": first["dataset"]["id"]}})

    assert second.status_code == 202
    assert second.json()["dataset"] == first["dataset"]
    assert (
        client.get(f"/v1/jobs/{trained(LECTURE | {'dataset': {'id': first['dataset']['id']}})}").json()["weights"]
        == first["weights"]
    )


@pytest.mark.parametrize(
    ("change_of_request", "pointer"),
    [
        ({"predict": [[1.0, 2.0]]}, "/predict/0"),
        ({"hyperparameters": {"initial_weights": [1.0, 2.0]}}, "/hyperparameters/initial_weights"),
        ({"hyperparameters": {"validation_fraction": 0.01}}, "/hyperparameters/validation_fraction"),
    ],
)
def test_what_does_not_fit_a_stored_dataset_is_pointed_at(
    client: TestClient, database: Database, change_of_request: dict[str, Any], pointer: str
) -> None:
    dataset_id = read(database, submit(database)).dataset_id

    answer = client.post("/v1/jobs", json={"dataset": {"id": str(dataset_id)}} | change_of_request)

    assert [error["pointer"] for error in problem_of(answer, 422)["errors"]] == [pointer]


# idempotency


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


def test_a_job_that_is_watched_is_answered_when_it_changes(
    client: TestClient, database: Database, somebody_waits: Event
) -> None:
    job_id = submit(database)

    def act(number: int) -> Any:
        if number == 0:
            return client.get(f"/v1/jobs/{job_id}", headers={"prefer": "wait=30"})
        assert somebody_waits.wait(30)
        return claim(database, job_id)

    answer, _ = at_once(2, act)

    assert (answer.status_code, answer.json()["status"]) == (200, "running")
    assert answer.elapsed.total_seconds() < 20


def test_a_job_that_is_deleted_while_it_is_watched_is_not_found(
    client: TestClient, database: Database, somebody_waits: Event
) -> None:
    job_id = submit(database)

    def act(number: int) -> Any:
        if number == 0:
            return client.get(f"/v1/jobs/{job_id}", headers={"prefer": "wait=30"})
        assert somebody_waits.wait(30)
        return client.delete(f"/v1/jobs/{job_id}")

    answer, deleted = at_once(2, act)

    assert deleted.status_code == 204
    assert problem_of(answer, 404)["type"] == "/problems/job-not-found"


def test_whoever_waits_is_let_go_when_the_process_ends(
    client: TestClient, app: FastAPI, database: Database, somebody_waits: Event
) -> None:
    job_id = submit(database)

    def act(number: int) -> Any:
        if number == 0:
            return client.get(f"/v1/jobs/{job_id}", headers={"prefer": "wait=30"})
        assert somebody_waits.wait(30)
        assert client.portal
        return client.portal.call(app.state.watch.close)

    answer, _ = at_once(2, act)

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


# lists


def test_pages_follow_each_other_to_the_end(client: TestClient, database: Database) -> None:
    added = [str(submit(database)) for _ in range(5)]
    seen, cursor, sizes = [], None, []
    while True:
        parameters = {"limit": "2"} | ({"after": cursor} if cursor else {})
        page = client.get("/v1/jobs", params=parameters).json()
        seen += [job["id"] for job in page["data"]]
        sizes.append(len(page["data"]))
        cursor = page["next"]
        if cursor is None:
            break

    assert seen == added[::-1]
    assert sizes == [2, 2, 1]


def test_a_page_that_ends_with_the_last_job_has_no_next(client: TestClient, database: Database) -> None:
    for _ in range(2):
        submit(database)

    page = client.get("/v1/jobs", params={"limit": 2}).json()

    assert (len(page["data"]), page["next"]) == (2, None)
    assert client.get("/v1/jobs", params={"after": page["data"][-1]["id"]}).json() == {"data": [], "next": None}


def test_a_cursor_of_a_job_that_is_gone_goes_on_where_it_was(client: TestClient, database: Database) -> None:
    added = [str(submit(database)) for _ in range(3)]
    cursor = client.get("/v1/jobs", params={"limit": 2}).json()["next"]
    assert client.delete(f"/v1/jobs/{cursor}").status_code == 204

    page = client.get("/v1/jobs", params={"after": cursor}).json()

    assert [job["id"] for job in page["data"]] == [added[0]]


def test_listed_jobs_are_those_that_are_got_one_by_one(
    client: TestClient, database: Database, trained: Trained
) -> None:
    for job_id in (trained(LECTURE), submit(database), claimed(database).job_id):
        [listed] = [job for job in client.get("/v1/jobs").json()["data"] if job["id"] == str(job_id)]
        assert listed == client.get(f"/v1/jobs/{job_id}").json()


def test_jobs_are_filtered(client: TestClient, database: Database, trained: Trained) -> None:
    labels = {'"q"': 'a"b', "d.o.t": "größe ✓", "[b]": "]", "percent%": "%25", "plus+": "+ &"}
    done = str(trained(LECTURE))
    labelled = str(submit(database, request() | {"metadata": labels}))
    dataset_id = client.get(f"/v1/jobs/{done}").json()["dataset"]["id"]

    def listed(*parameters: tuple[str, str]) -> list[str]:
        answer = client.get("/v1/jobs", params=list(parameters))
        assert answer.status_code == 200, answer.text
        return [job["id"] for job in answer.json()["data"]]

    assert listed(("status", "succeeded")) == [done]
    assert listed(("name", "lecture")) == [done]
    assert listed(("dataset_id", dataset_id)) == [done]
    assert listed(("metadata[course]", "autograd")) == [done]
    assert listed(("metadata[course]", "autogra")) == []
    assert listed(*((f"metadata[{name}]", value) for name, value in labels.items())) == [labelled]
    for name, value in labels.items():
        assert listed((f"metadata[{name}]", value)) == [labelled]
        assert listed((f"metadata[{name}]", value), ("metadata[course]", "autograd")) == []
    assert listed(("status", "queued"), ("name", "lecture")) == []
    assert listed() == [labelled, done]


# cancellation and deletion


def test_a_waiting_job_is_cancelled_at_once(client: TestClient, database: Database) -> None:
    job_id = submit(database)

    answer = client.post(f"/v1/jobs/{job_id}/cancel")

    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    assert answer.json()["finished_at"]
    assert claim(database, job_id) is None


def test_a_running_job_is_asked_to_stop(client: TestClient, database: Database) -> None:
    mine = claimed(database)

    answer = client.post(f"/v1/jobs/{mine.job_id}/cancel")

    assert (answer.status_code, answer.json()["status"]) == (202, "running")
    assert columns(database, mine.job_id)["cancel_requested"] is True


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
def test_a_job_that_has_ended_is_not_cancelled(client: TestClient, database: Database, status: str) -> None:
    mine = claimed(database)
    change(database, lambda session: end_job(session, mine, status))

    problem = problem_of(client.post(f"/v1/jobs/{mine.job_id}/cancel"), 409)

    assert problem["type"] == "/problems/job-is-final"
    assert status in problem["detail"]


def test_a_deleted_job_is_gone_with_all_its_records(client: TestClient, database: Database, trained: Trained) -> None:
    empty = rows_of_every_table(database)
    url = f"/v1/jobs/{trained(LECTURE)}"

    answer = client.delete(url)

    assert (answer.status_code, answer.content) == (204, b"")
    problem_of(client.get(url), 404)
    problem_of(client.delete(url), 404)
    assert rows_of_every_table(database) == empty


def test_a_waiting_job_may_be_deleted(client: TestClient, database: Database) -> None:
    job_id = submit(database)

    assert client.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert claim(database, job_id) is None


def test_a_running_job_is_not_deleted(client: TestClient, database: Database) -> None:
    mine = claimed(database)

    assert problem_of(client.delete(f"/v1/jobs/{mine.job_id}"), 409)["type"] == "/problems/job-is-running"
    assert read(database, mine.job_id).status == "running"


def test_of_many_that_delete_a_job_at_once_one_does_and_the_others_find_none(
    client: TestClient, database: Database
) -> None:
    for _ in range(3):
        job_id = submit(database)
        statuses = at_once(4, lambda _, job_id=job_id: client.delete(f"/v1/jobs/{job_id}").status_code)
        assert sorted(statuses) == [204, 404, 404, 404]


def test_a_dataset_is_not_lost_while_a_job_is_added_to_it(client: TestClient, database: Database) -> None:
    for _ in range(10):
        job_id = submit(database)
        wanted = {"dataset": {"id": str(read(database, job_id).dataset_id)}}

        def act(number: int, job_id: UUID = job_id, wanted: dict[str, Any] = wanted) -> Response:
            return client.post("/v1/jobs", json=wanted) if number else client.delete(f"/v1/jobs/{job_id}")

        deleted, posted = at_once(2, act)

        assert deleted.status_code == 204, deleted.text
        if posted.status_code != 202:
            assert [error["pointer"] for error in problem_of(posted, 422)["errors"]] == ["/dataset/id"]
    counted = rows_of_every_table(database)
    assert counted["datasets"] == min(counted["jobs"], 1)


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/plan", "/v1/sweeps"])
def test_a_dataset_that_is_deleted_while_its_rows_are_read_is_told_at_its_id(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    csv = {"content": b"x,y\n1,2\n2,4\n3,7\n", "headers": {"Content-Type": "text/csv"}}
    dataset_id = client.post("/v1/datasets", **csv).json()["id"]

    def load(*_: Any) -> None:
        assert client.delete(f"/v1/datasets/{dataset_id}").status_code == 204
        raise ObjectMissing("its numbers")

    monkeypatch.setattr("service.data.numbers.load_columns", load)
    wanted = {"dataset": {"id": dataset_id}} | ({"grid": {"learning_rate": [0.1]}} if path == "/v1/sweeps" else {})

    problem = problem_of(client.post(path, json=wanted), 422)

    assert [error["pointer"] for error in problem["errors"]] == ["/dataset/id"]


def test_a_job_that_its_worker_hands_back_at_that_moment_can_be_cancelled(
    client: TestClient, database: Database
) -> None:
    for _ in range(10):
        mine = claimed(database)

        def act(number: int, mine: JobLease = mine) -> Any:
            if number:
                return client.post(f"/v1/jobs/{mine.job_id}/cancel")
            return change(database, lambda session: mine.put_back(session, "for the test"))

        _, cancelled = at_once(2, act)

        assert cancelled.status_code == 202, cancelled.text
        row = columns(database, mine.job_id)
        assert row["status"] == "cancelled" or row["cancel_requested"]


# numbers that are not finite


def test_a_number_that_is_not_finite_is_null(client: TestClient, trained: Trained) -> None:
    wanted = request(initial_weights=[1e38], learning_rate=1e-30, epochs=1, dtype="float32") | {"predict": [1e3, 1.0]}
    wanted["dataset"] = {"x": [1e-20, 2e-20], "y": [1.0, 2.0]}
    job_id = trained(wanted)

    answer = client.get(f"/v1/jobs/{job_id}/predictions")

    assert [prediction["before"] is None for prediction in answer.json()["data"]] == [True, False]
    assert client.get(f"/v1/jobs/{job_id}").status_code == 200
    predicted = client.post(f"/v1/jobs/{job_id}/predict", content=json.dumps({"x": [1e3]}), headers=JSON)
    assert predicted.json()["data"] == [{"x": [1e3], "before": None, "after": None}]


JSON = {"content-type": "application/json"}


def test_unknown_ids_are_not_taken_for_others(client: TestClient, database: Database) -> None:
    submit(database)

    problem_of(client.get(f"/v1/jobs/{uuid4()}"), 404)


def test_growth_that_was_made_up_for_is_no_warning_any_more(client: TestClient, database: Database) -> None:
    job_id = submit(database)

    def tell(level: str, code: str) -> None:
        change(database, lambda session: add_warning(session, job_id, code, level=level, code=code))

    tell("warning", "loss_growing")
    assert client.get(f"/v1/jobs/{job_id}").json()["warnings"] == ["loss_growing"]
    tell("info", "loss_fell_again")
    assert client.get(f"/v1/jobs/{job_id}").json()["warnings"] == []
