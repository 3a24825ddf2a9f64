"""A job again, with changes, and changes of what a job is called."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from workbench import LECTURE, claimed, problem_of, request, submit

from service.api.document.examples import RERUN_PATCHES
from service.store.database import Database

Trained = Callable[[dict[str, Any]], UUID]
ASKED = ("name", "hyperparameters", "predict", "device", "timeout_seconds", "cross_validation", "metadata")


def asked(job: dict[str, Any]) -> dict[str, Any]:
    """What a job's sender asked for, as the job tells it."""
    return {name: job[name] for name in ASKED} | {"dataset": job["dataset"]}


def test_a_job_is_called_otherwise_and_stays_what_it_is(client: TestClient, trained: Trained) -> None:
    url = f"/v1/jobs/{trained(LECTURE | {'metadata': {'course': 'autograd', 'draft': 'yes'}})}"
    before = client.get(url)

    patch = {"name": "champion", "metadata": {"draft": None, "seen": "2026"}}
    changed = client.patch(url, json=patch, headers={"If-Match": before.headers["etag"]})

    wanted = {"name": "champion", "metadata": {"course": "autograd", "seen": "2026"}}
    assert (changed.status_code, changed.json()) == (200, before.json() | wanted)
    again = client.get(url)
    assert (again.json(), again.headers["etag"]) == (changed.json(), changed.headers["etag"])
    assert again.headers["etag"] != before.headers["etag"]
    assert problem_of(client.patch(url, json=patch, headers={"If-Match": before.headers["etag"]}), 412)


@pytest.mark.parametrize(
    ("patch", "name", "metadata"),
    [
        ({}, "lecture", {"course": "autograd"}),
        ({"name": None}, None, {"course": "autograd"}),
        ({"metadata": None}, "lecture", {}),
        ({"metadata": {}}, "lecture", {"course": "autograd"}),
        ({"metadata": {"other": None}}, "lecture", {"course": "autograd"}),
    ],
)
def test_what_a_patch_does_not_name_stays(
    client: TestClient, database: Database, patch: dict[str, Any], name: str | None, metadata: dict[str, str]
) -> None:
    job = client.patch(f"/v1/jobs/{claimed(database, LECTURE).job_id}", json=patch).json()
    assert (job["name"], job["metadata"], job["status"]) == (name, metadata, "running")


def test_a_waiting_job_still_says_why_it_waits(client: TestClient, database: Database) -> None:
    assert client.patch(f"/v1/jobs/{submit(database)}", json={"name": "new"}).json()["reason"]


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"status": "succeeded"}, "/status"),
        ({"name": ""}, "/name"),
        ({"metadata": {"a": 1}}, "/metadata/a"),
        ({"metadata": {f"k{each}": "v" for each in range(50)}}, "/metadata"),
    ],
)
def test_a_wrong_patch_is_pointed_at_and_changes_nothing(
    client: TestClient, database: Database, patch: dict[str, Any], pointer: str
) -> None:
    url = f"/v1/jobs/{submit(database, LECTURE)}"
    before = client.get(url).json()
    problem = problem_of(client.patch(url, json=patch), 422)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert client.get(url).json() == before


def test_a_job_is_run_again_with_changes(client: TestClient, trained: Trained, train: Callable[[str], None]) -> None:
    first = client.get(f"/v1/jobs/{trained(LECTURE)}").json()
    for patch in (each["value"] for each in RERUN_PATCHES.values()):
        answer = client.post(f"/v1/jobs/{first['id']}/rerun", json=patch)
        assert answer.status_code == 202, answer.text
        train(answer.json()["id"])
        job = client.get(answer.headers["location"]).json()
        hyperparameters = first["hyperparameters"] | patch.get("hyperparameters", {})
        assert asked(job) == asked(first) | patch | {"hyperparameters": hyperparameters}
        assert (job["weights"] == first["weights"]) == (patch == {})


def test_rows_take_the_place_of_the_data_and_a_null_that_of_a_value(client: TestClient, trained: Trained) -> None:
    job_id = trained(LECTURE)
    patch = {"dataset": {"x": [1, 2], "y": [3, 4]}, "hyperparameters": {"initial_weights": None}, "predict": None}
    job = client.post(f"/v1/jobs/{job_id}/rerun", json=patch).json()
    assert (job["dataset"]["rows"], job["predict"]) == (2, [])
    assert job["hyperparameters"]["initial_weights"] == "zeros"


def test_a_rerun_that_is_wrong_is_pointed_at(client: TestClient, trained: Trained) -> None:
    url = f"/v1/jobs/{trained(LECTURE)}/rerun"
    problem = problem_of(client.post(url, json={"hyperparameters": {"epochs": 0, "learning_rat": 1}}), 422)
    pointers = {error["pointer"] for error in problem["errors"]}
    assert pointers == {"/hyperparameters/epochs", "/hyperparameters/learning_rat"}
    assert problem_of(client.post(f"/v1/jobs/{uuid4()}/rerun", json={}), 404)
    assert len(client.get("/v1/jobs").json()["data"]) == 1


def test_a_rerun_with_a_key_is_made_once(client: TestClient, trained: Trained) -> None:
    url, key = f"/v1/jobs/{trained(LECTURE)}/rerun", {"Idempotency-Key": "again"}
    first, second = (client.post(url, json={}, headers=key) for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    "wanted",
    [
        LECTURE,
        request(optimizer={"name": "adam"}, schedule={"name": "cosine", "T_max": 4}, standardize=True),
        request(early_stopping={"patience": 1, "min_delta": 1e9}, validation_fraction=0.25),
    ],
)
def test_what_a_get_answers_can_be_posted_again(client: TestClient, trained: Trained, wanted: dict[str, Any]) -> None:
    first = client.get(f"/v1/jobs/{trained(wanted)}").json()
    again = client.post("/v1/jobs", json=first)
    assert again.status_code == 202, again.text
    assert asked(again.json()) == asked(first)
    assert again.json()["id"] != first["id"]


def test_a_job_says_that_it_stopped_early(client: TestClient, trained: Trained) -> None:
    early = request(early_stopping={"patience": 1, "min_delta": 1e9})
    told = [client.get(f"/v1/jobs/{trained(wanted)}").json()["stopped_early"] for wanted in (LECTURE, early)]
    assert told == [False, True]
