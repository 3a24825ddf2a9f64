"""Aliases: names that stand for jobs wherever an id does, moved from one request to the next."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session
from workbench import LECTURE, at_once, claimed, jobs_of, problem_of, request, submit, submit_sweep

from service.api.app import create_app
from service.jobs import aliases
from service.settings import Settings
from service.store.database import Database

Trained = Callable[[dict[str, Any]], UUID]


def call(client: TestClient, job_id: UUID, name: str = "champion") -> dict[str, Any]:
    answer = client.put(f"/v1/aliases/{name}", json={"job": str(job_id)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    "path",
    [
        "/v1/jobs/{}",
        "/v1/jobs/{}/epochs",
        "/v1/jobs/{}/epochs/3/steps",
        "/v1/jobs/{}/epochs/3/steps/1/graph",
        "/v1/jobs/{}/events",
        "/v1/jobs/{}/predictions",
        "/v1/jobs/{}/model?format=json",
        "/v1/jobs/{}/statistics",
        "/v1/jobs/{}/ping",
        "/v2/models/{}",
        "/v2/models/{}/versions/1",
        "/v2/models/{}/ready",
    ],
)
def test_a_name_takes_the_place_of_an_id_in_every_address(client: TestClient, trained: Trained, path: str) -> None:
    job_id = trained(LECTURE)
    call(client, job_id)

    by_name, by_id = client.get(path.format("champion")), client.get(path.format(job_id))

    assert by_id.status_code == 200, by_id.text
    assert (by_name.status_code, by_name.content) == (200, by_id.content)


def test_a_model_is_asked_by_its_name(client: TestClient, trained: Trained) -> None:
    job_id = trained(LECTURE)
    call(client, job_id, "rents.v2_a-b")

    tensor = {"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [4.0]}
    for url, body in (
        ("/v1/jobs/{}/predict", {"x": [4.0]}),
        ("/v1/jobs/{}/invocations", {"inputs": [[4.0]]}),
        ("/v2/models/{}/infer", {"inputs": [tensor]}),
    ):
        by_name, by_id = (client.post(url.format(each), json=body) for each in ("rents.v2_a-b", job_id))
        assert (by_name.status_code, by_name.json()) == (200, by_id.json())


def test_jobs_are_changed_by_their_name(client: TestClient, database: Database) -> None:
    job_id = submit(database)
    call(client, job_id)

    assert client.patch("/v1/jobs/champion", json={"name": "new"}).json()["id"] == str(job_id)
    assert client.post("/v1/jobs/champion/pause").json()["status"] == "paused"
    assert client.post("/v1/jobs/champion/cancel").json()["status"] == "cancelled"
    assert client.post("/v1/jobs/champion/rerun", json={}).status_code == 202


def test_a_name_is_moved_to_another_job(client: TestClient, database: Database) -> None:
    first, second = submit(database), submit(database)
    before = call(client, first)

    after = call(client, second)

    assert (before["job"], after["job"]) == (str(first), str(second))
    assert client.get("/v1/jobs/champion").json()["id"] == str(second)
    assert client.get("/v1/aliases").json() == {"data": [after], "next": None}


def test_whoever_asks_while_a_name_is_moved_finds_one_of_the_jobs(client: TestClient, database: Database) -> None:
    ids = [submit(database), submit(database)]
    call(client, ids[0])

    def act(number: int) -> str | None:
        if number < 2:
            return str(aliases.put_alias(database, "champion", ids[number]).job_id)
        return str(client.get("/v1/jobs/champion").json()["id"])

    assert set(at_once(6, act)) <= {str(each) for each in ids}


def test_whoever_gives_a_name_is_told_of_it_though_another_takes_it_away_immediately(
    client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(database)
    commit = Session.commit

    def commit_and_lose(session: Session) -> None:
        commit(session)
        monkeypatch.setattr(Session, "commit", commit)
        aliases.delete_alias(database, "champion")

    monkeypatch.setattr(Session, "commit", commit_and_lose)

    assert call(client, job_id)["job"] == str(job_id)
    assert client.get("/v1/aliases").json()["data"] == []


def test_aliases_are_listed_by_name_page_by_page(client: TestClient, database: Database) -> None:
    job_id = submit(database)
    for name in ("c", "a", "b"):
        call(client, job_id, name)

    first = client.get("/v1/aliases?limit=2").json()
    rest = client.get("/v1/aliases", params={"limit": 2, "after": first["next"]}).json()

    assert [each["name"] for each in first["data"] + rest["data"]] == ["a", "b", "c"]
    assert rest["next"] is None


def test_a_name_that_was_taken_away_stands_for_nothing(client: TestClient, database: Database) -> None:
    job_id = submit(database)
    call(client, job_id)

    assert client.delete("/v1/aliases/champion").status_code == 204

    assert problem_of(client.delete("/v1/aliases/champion"), 404)["type"] == "/problems/alias-not-found"
    problem = problem_of(client.get("/v1/jobs/champion"), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["/path/job_id"]
    assert "no job has this alias" in problem["errors"][0]["detail"]
    assert client.get(f"/v1/jobs/{job_id}").status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "0champion",
        "a" * 64,
        "a b",
        "-a",
        "cancel",
        "deadbeef" * 4,
        "deadbeef-dead-beef-dead-beefdeadbeef",
        "DEADBEEFDEADBEEFDEADBEEFDEADBEE-F",
    ],
)
def test_a_name_that_could_be_something_else_is_refused(client: TestClient, database: Database, name: str) -> None:
    problem = problem_of(client.put(f"/v1/aliases/{name}", json={"job": str(submit(database))}), 422)

    assert [error["pointer"] for error in problem["errors"]] == ["/path/name"]


def test_a_job_that_is_not_there_gets_no_name(client: TestClient) -> None:
    problem = problem_of(client.put("/v1/aliases/champion", json={"job": str(uuid4())}), 422)

    assert [error["pointer"] for error in problem["errors"]] == ["/job"]


def test_a_job_with_a_name_is_not_deleted(client: TestClient, trained: Trained) -> None:
    named, nameless = trained(LECTURE), trained(LECTURE)
    call(client, named)

    problem = problem_of(client.delete(f"/v1/jobs/{named}"), 409)

    assert (problem["type"], "champion" in problem["detail"]) == ("/problems/job-has-alias", True)
    assert client.delete("/v1/jobs?status=succeeded").json() == {
        "matched": 1, "jobs": [str(nameless)], "remaining": 0, "dry_run": False
    }  # fmt: skip
    client.delete("/v1/aliases/champion")
    assert client.delete(f"/v1/jobs/{named}").status_code == 204


def test_a_running_job_with_a_name_says_why_it_stays(client: TestClient, database: Database) -> None:
    mine = claimed(database)
    call(client, mine.job_id)

    assert problem_of(client.delete("/v1/jobs/champion"), 409)["type"] == "/problems/job-has-alias"


def test_a_sweep_of_a_job_with_a_name_is_not_deleted(client: TestClient, database: Database) -> None:
    sweep_id = submit_sweep(database, request() | {"grid": {"learning_rate": [0.01, 0.02]}})
    call(client, jobs_of(database, sweep_id)[1].id)

    assert problem_of(client.delete(f"/v1/sweeps/{sweep_id}"), 409)["type"] == "/problems/job-has-alias"
    client.delete("/v1/aliases/champion")
    assert client.delete(f"/v1/sweeps/{sweep_id}").status_code == 204


def test_a_name_is_found_behind_a_prefix_that_has_it(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.app.Database", lambda _url, fails_fast: database)
    job_id = submit(database)
    aliases.put_alias(database, "champion", job_id)

    with TestClient(create_app(settings.model_copy(update={"root_path": "/champion"}))) as client:
        assert client.get("/champion/v1/jobs/champion").json()["id"] == str(job_id)
        assert client.get("/v1/jobs/champion/").json()["id"] == str(job_id)
