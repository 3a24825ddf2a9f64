"""Jobs of which somebody has damaged what is kept in the database: each call says so, and nothing else suffers."""

from collections.abc import Callable
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text, update
from workbench import change, problem_of, read, request, submit

from service.data.damage import find_damage
from service.store.database import Database
from service.store.tables import Job, Snapshot
from slope.answers.jobs import JobView

REPLAYED = request(batch_size=1, standardize=True, record={"steps": "none"}) | {"predict": [2.0]}
READ = ("plan", "spec", "features", "scaler")
SHOWN = (*READ, "predict", "metadata_", "analysis", "metrics", "initial_from", "weights")
OTHER = {"steps": "many", "means": "a", "epochs": "ten"}


def calls(client: TestClient, job_id: UUID) -> dict[str, Any]:
    """Answers of what reads a document of a job, or what it is computed again from."""
    going_on = REPLAYED | {"initial_from": {"job": str(job_id), "optimizer_state": True}}
    here = f"/v1/jobs/{job_id}"
    answers = {
        path: client.get(f"{here}/{path}")
        for path in ("epochs", "epochs/3/steps", "epochs/3/steps/1/graph", "predictions", "model", "statistics")
    }
    return answers | {
        "predict": client.post(f"{here}/predict", json={"x": [1.0], "epoch": 2}),
        "rerun": client.post(f"{here}/rerun", json={}),
        "going on": client.post("/v1/jobs", json=going_on),
    }


def damage(database: Database, job_id: UUID, column: str, value: object) -> None:
    change(
        database,
        lambda session: session.execute(
            update(Job).where(Job.id == job_id).values({Job.__mapper__.columns[column]: value})
        ),
    )


@pytest.mark.parametrize("column", READ)
def test_whatever_reads_a_damaged_job_says_that_it_is_damaged(
    client: TestClient, database: Database, trained: Callable[[dict[str, Any]], UUID], column: str
) -> None:
    job_id = trained(REPLAYED)
    for value in (3, OTHER) if column != "features" else (3,):
        damage(database, job_id, column, value)

        answers = calls(client, job_id)

        refused = {name: answer for name, answer in answers.items() if answer.status_code >= 400}
        for answer in refused.values():
            problem = problem_of(answer, 409)
            assert problem["type"] == "/problems/job-damaged"
            assert str(job_id) in problem["detail"]
        wanted = {"plan": {"epochs/3/steps", "going on"}, "spec": set(answers) - {"epochs", "predictions"}}
        assert wanted.get(column, set()) <= set(refused)


def test_damaged_jobs_are_shown_without_what_was_damaged_and_their_list_as_ever(
    client: TestClient, database: Database
) -> None:
    damaged = {column: submit(database, REPLAYED) for column in SHOWN if column != "weights" or database.is_sqlite}
    for column, job_id in damaged.items():
        damage(database, job_id, column, 3)
    sound = submit(database)

    listed = client.get("/v1/jobs").json()["data"]

    assert {job["id"] for job in listed} == {str(sound), *map(str, damaged.values())}
    assert [job["id"] for job in listed if not job["warnings"]] == [str(sound)]
    for job_id in damaged.values():
        shown = JobView.model_validate(client.get(f"/v1/jobs/{job_id}").json())
        assert "damaged" in shown.warnings[-1]
        assert client.delete(f"/v1/jobs/{job_id}").status_code == 204


def test_text_that_is_no_document_spoils_nothing_else(
    client: TestClient, database: Database, tasks: ModuleType
) -> None:
    """PostgreSQL lets nobody write such."""
    if not database.is_sqlite:
        return
    damaged, sound = submit(database), submit(database)
    no_json = text("UPDATE jobs SET plan = '{cut', features = '{cut' WHERE id = :id")
    change(database, lambda session: session.execute(no_json, {"id": str(damaged)}))

    tasks.train(str(sound))
    tasks.train(str(damaged))

    assert [read(database, sound).status, client.get("/v1/jobs").status_code] == ["succeeded", 200]
    assert client.get(f"/v1/jobs/{damaged}").json()["error"]["code"] == "damaged"
    assert problem_of(client.get(f"/v1/jobs/{damaged}/epochs"), 409)["type"] == "/problems/job-damaged"


def test_a_damaged_state_is_no_fault_of_the_service(
    client: TestClient, database: Database, trained: Callable[[dict[str, Any]], UUID]
) -> None:
    job_id = trained(REPLAYED)
    change(database, lambda session: session.merge(Snapshot(job_id=job_id, epoch=2, state=b"garbage")))

    problem = problem_of(client.get(f"/v1/jobs/{job_id}/epochs/3/steps"), 409)

    assert problem["type"] == "/problems/job-damaged"
    assert "state" in problem["detail"]


@pytest.mark.parametrize(("column", "value"), [("spec", 3), ("features", 3), ("checkpoint", b"garbage")])
def test_a_worker_fails_a_damaged_job_and_trains_the_others(
    database: Database, tasks: ModuleType, column: str, value: object
) -> None:
    damaged, sound = submit(database, REPLAYED), submit(database)
    damage(database, damaged, column, value)

    for bell in (damaged, sound):
        tasks.train(str(bell))

    failed = read(database, damaged)
    assert (failed.status, failed.error_code) == ("failed", "damaged")
    assert str(damaged) in (failed.error_detail or "")
    assert read(database, sound).status == "succeeded"


def test_what_fails_for_another_reason_is_not_called_damaged(
    database: Database, client: TestClient, trained: Callable[[dict[str, Any]], UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = trained(REPLAYED)

    def fail(*_: object) -> None:
        raise ValueError("a mistake of ours")

    monkeypatch.setattr("service.api.routes.jobs.wait_seconds", fail)

    with database.reading() as session:
        assert find_damage(session, job_id) is None
    with pytest.raises(ValueError, match="a mistake of ours"):
        client.get(f"/v1/jobs/{job_id}")
