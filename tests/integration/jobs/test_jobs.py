"""Jobs over HTTP: accepted, found, listed, cancelled, deleted."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
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
    storage,
    submit,
)

from service.errors import ObjectMissing
from service.jobs.jobs import delete_job
from service.store import events
from service.store.database import Database
from service.store.jobs import bells
from service.store.leases.leases import JobLease
from service.store.tables import Event, Job

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
        [unheard] = bells.unheard_jobs(session, silent_seconds=3600, limit=10)
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
    monkeypatch.setattr(bells, "note_ring", gone)

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


def test_a_job_that_is_deleted_between_its_row_and_its_events_is_not_found(
    client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(database)
    read_events = events.events_of

    def delete_first(session: Session, job: Job) -> Sequence[Event]:
        delete_job(database, storage(), job_id)
        return read_events(session, job)

    monkeypatch.setattr(events, "events_of", delete_first)

    problem_of(client.get(f"/v1/jobs/{job_id}"), 404)


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
