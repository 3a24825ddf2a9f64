"""What somebody has damaged in the database: each call that needs it says so, and nothing else suffers."""

from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text, update
from uuid_utils.compat import uuid7
from workbench import LECTURE, FakeQueue, change, jobs_of, problem_of, read, request, submit, submit_sweep

from service.access import keys
from service.api.app import create_app
from service.data.damage import find_damage
from service.settings import Settings
from service.statistics.passes import DURBIN_WATSON
from service.store import workers
from service.store.database import Database
from service.store.records import documents
from service.store.tables import Dataset, Job, RowPass, Snapshot, Sweep, Webhook, Worker
from slope.answers.datasets import DatasetView
from slope.answers.jobs import JobView

REPLAYED = request(batch_size=1, standardize=True, record={"steps": "none"}) | {"predict": [2.0]}
FROM_STATES = {"epochs/3/steps", "epochs/3/steps/1/graph", "going on"}
FROM_MODEL = {"model", "predict", "statistics", "going on"}
REFUSED = {
    "plan": FROM_STATES,
    "spec": FROM_STATES | FROM_MODEL | {"rerun"},
    "features": FROM_STATES | FROM_MODEL | {"rerun"},
    "scaler": FROM_MODEL,
}
"""By the document that is damaged: what needs it. Epochs need features on PostgreSQL alone. Scales are computed again
where steps are."""
READ = tuple(REFUSED)
SHOWN = (*READ, "predict", "metadata_", "analysis", "metrics", "initial_from", "weights")
OTHER = {"steps": "many", "means": "a", "epochs": "ten"}
CALLED = {"spec": "hyperparameters", "metadata_": "metadata"}
"""In answers."""


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


def damage(database: Database, row_id: UUID, column: str, value: object, kind: type[Any] = Job) -> None:
    damaged = update(kind).where(kind.id == row_id).values({kind.__mapper__.columns[column]: value})
    change(database, lambda session: session.execute(damaged))


def keep_dataset(database: Database, job_id: UUID) -> UUID:
    """That of a job, as if it had been uploaded."""
    dataset_id = read(database, job_id).dataset_id
    damage(database, dataset_id, "is_inline", False, Dataset)
    return dataset_id


def numbers_in(document: Any) -> list[float]:
    """Those of an answer that the same request has again in another job."""
    if isinstance(document, dict):
        document = [value for name, value in document.items() if "seconds" not in name]
    if isinstance(document, list):
        return [number for each in document for number in numbers_in(each)]
    return [document] if isinstance(document, int | float) else []


def failing(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("column", READ)
def test_whatever_reads_a_damaged_job_says_that_it_is_damaged(
    client: TestClient, database: Database, trained: Callable[[dict[str, Any]], UUID], column: str
) -> None:
    job_id, sound_id = trained(REPLAYED), trained(REPLAYED)
    sound = calls(client, sound_id)
    for value in (3, OTHER) if column != "features" else (3,):
        damage(database, job_id, column, value)

        answers = calls(client, job_id)

        refused = {name for name, answer in answers.items() if answer.status_code >= 400}
        needs_it = REFUSED[column] | ({"epochs"} if column == "features" and not database.is_sqlite else set())
        assert refused == needs_it
        for name in refused:
            problem = problem_of(answers[name], 409)
            assert problem["type"] == "/problems/job-damaged"
            assert str(job_id) in problem["detail"]
        for name in answers.keys() - refused:
            assert numbers_in(answers[name].json()) == numbers_in(sound[name].json()), name


def test_a_request_that_is_refused_has_no_state_of_another_job_decoded(
    client: TestClient, trained: Callable[[dict[str, Any]], UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = trained(REPLAYED)
    monkeypatch.setattr(documents, "read_states", failing(LookupError("a state was read")))

    going_on = client.post("/v1/jobs", json=REPLAYED | {"initial_from": {"job": str(job_id), "epoch": 10**6}})
    again = client.post(f"/v1/jobs/{job_id}/rerun", json={"device": "nonsense"})

    assert problem_of(going_on, 422)["errors"][0]["pointer"] == "/initial_from/epoch"
    assert problem_of(again, 422)["errors"][0]["pointer"] == "/device"


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


@pytest.mark.parametrize("column", ["columns", "notes", "numbers"])
def test_a_damaged_dataset_is_named_by_whatever_needs_it_and_listed_with_the_others(
    client: TestClient, database: Database, trained: Callable[[dict[str, Any]], UUID], column: str
) -> None:
    job_id, other_id = trained(request()), trained(LECTURE)
    damaged, sound = (keep_dataset(database, each) for each in (job_id, other_id))
    here, named = f"/v1/datasets/{damaged}", {"dataset": {"id": str(damaged)}}
    for value in (3, OTHER):
        damage(database, damaged, column, value, Dataset)

        answers = [
            client.post("/v1/jobs", json=named),
            client.post("/v1/plan", json=named),
            client.post("/v1/sweeps", json=named | {"grid": {"l2": [0.0, 0.1]}}),
            *(client.post(f"/v1/jobs/{each}/predict", json=named) for each in (other_id, job_id)),
            *([] if column == "notes" else [client.get(f"{here}/rows")]),
        ]

        for answer in answers:
            problem = problem_of(answer, 409)
            assert problem["type"] == "/problems/dataset-damaged"
            assert f"dataset {damaged}: its {column}" in problem["detail"]
        if column == "numbers":
            assert problem_of(client.get(f"/v1/jobs/{job_id}/statistics"), 409)["type"] == "/problems/job-damaged"
        listed = {each["id"]: DatasetView.model_validate(each) for each in client.get("/v1/datasets").json()["data"]}
        assert listed.keys() == {str(damaged), str(sound)}
        assert not listed[str(sound)].notes
        assert column == "numbers" or "damaged" in listed[str(damaged)].notes[-1]
        assert client.get(here).json()["notes"] == listed[str(damaged)].notes


@pytest.mark.parametrize("column", ["spec", "swept", "metadata_"])
def test_a_damaged_sweep_says_so_and_is_listed_with_the_others(
    client: TestClient, database: Database, column: str
) -> None:
    swept = request() | {"grid": {"l2": [0.0, 0.1]}, "metadata": {"course": "autograd"}}
    damaged, sound = (submit_sweep(database, swept) for _ in range(2))
    damage(database, damaged, column, 3, Sweep)

    problem = problem_of(client.get(f"/v1/sweeps/{damaged}"), 409)
    listed = client.get("/v1/sweeps").json()["data"]

    assert (problem["type"], str(damaged) in problem["detail"]) == ("/problems/sweep-damaged", True)
    assert [each["id"] for each in listed] == [str(sound), str(damaged)]
    assert [bool(each[CALLED.get(column, column)]) for each in listed] == [True, False]
    assert client.post(f"/v1/sweeps/{damaged}/cancel").status_code == 202
    assert client.delete(f"/v1/sweeps/{damaged}").status_code == 204


def test_the_ranking_of_a_sweep_has_a_damaged_job_without_its_settings(client: TestClient, database: Database) -> None:
    sweep_id = submit_sweep(database, request() | {"grid": {"l2": [0.0, 0.1]}})
    change(database, lambda session: session.execute(update(Job).values(loss_last=1.0)))
    damaged = jobs_of(database, sweep_id)[0].id
    damage(database, damaged, "spec", 3)

    ranking = client.get(f"/v1/sweeps/{sweep_id}").json()["ranking"]["data"]

    assert [each["settings"] for each in ranking if each["job_id"] == str(damaged)] == [{}]
    assert len(ranking) == 2


def test_a_damaged_webhook_is_told_nothing_and_no_damage_keeps_a_job_from_its_end(
    client: TestClient, database: Database, tasks: ModuleType
) -> None:
    wanted = {"url": "https://example.org/hook", "events": ["job.succeeded"]}
    here = f"/v1/webhooks/{client.post('/v1/webhooks', json=wanted).json()['id']}"
    damage(database, UUID(here[-36:]), "events", 3, Webhook)
    untold = submit(database)
    tasks.train(str(untold))
    assert client.get("/v1/webhooks").json()["data"][0]["events"] == []

    assert client.patch(here, json=wanted).json()["events"] == wanted["events"]
    told = submit(database)
    damage(database, told, "metadata_", 3)
    tasks.train(str(told))

    assert {read(database, job_id).status for job_id in (untold, told)} == {"succeeded"}
    assert [each["job_id"] for each in client.get(f"{here}/deliveries").json()["data"]] == [str(told)]


@pytest.mark.parametrize("column", ["devices", "counts"])
def test_a_damaged_worker_is_shown_and_keeps_nobody_from_work(
    client: TestClient, database: Database, column: str
) -> None:
    known = {"hostname": "here", "process_id": 1, "version": "0", "slots": 1, "memory": 10**9}
    cpu = [{"name": "cpu", "description": "the test's"}]
    rows = [Worker(id=uuid7(), devices=cpu, **known) for _ in range(3)]
    for row in rows[:2]:
        change(database, lambda session, row=row: workers.add_worker(session, row))
    damage(database, rows[0].id, column, 3, Worker)

    shown = client.get("/v1/devices").json()["data"]

    assert [len(each["devices"]) for each in shown] == [int(column == "counts"), 1]
    assert [client.get(path).status_code for path in (f"/v1/jobs/{submit(database)}", "/metrics")] == [200, 200]
    damage(database, rows[0].id, "seen_at", rows[0].seen_at - timedelta(days=2), Worker)
    change(database, lambda session: workers.add_worker(session, rows[2]))


@pytest.mark.parametrize("found", [3, OTHER])
def test_damaged_statistics_are_no_fault_of_the_service(
    client: TestClient, database: Database, trained: Callable[[dict[str, Any]], UUID], found: object
) -> None:
    job_id = trained(request())
    change(database, lambda session: session.add(RowPass(job_id=job_id, name=DURBIN_WATSON, result=found)))

    problem = problem_of(client.get(f"/v1/jobs/{job_id}/statistics"), 409)

    assert problem["type"] == "/problems/job-damaged"
    assert "statistics" in problem["detail"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # PostgreSQL lets nobody write such
def test_text_that_is_no_document_spoils_nothing_else(
    client: TestClient, database: Database, tasks: ModuleType
) -> None:
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


def test_rows_that_are_sent_again_are_not_the_damaged_ones(database: Database, tasks: ModuleType) -> None:
    """Others that come with a job are, where they are there."""
    job_ids = [submit(database)]
    damage(database, read(database, job_ids[0]).dataset_id, "numbers", 3, Dataset)
    tasks.train(str(job_ids[0]))

    job_ids.append(submit(database))
    tasks.train(str(job_ids[1]))

    assert [read(database, job_id).status for job_id in job_ids] == ["failed", "succeeded"]
    assert read(database, job_ids[0]).error_code == "damaged"


def test_what_fails_for_another_reason_is_not_called_damaged(
    database: Database, client: TestClient, trained: Callable[[dict[str, Any]], UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = trained(REPLAYED)
    monkeypatch.setattr("service.api.routes.jobs.wait_seconds", failing(ValueError("a mistake of ours")))

    with database.reading() as session:
        assert find_damage(session, job_id) is None
    with pytest.raises(ValueError, match="a mistake of ours"):
        client.get(f"/v1/jobs/{job_id}")


def test_damage_of_a_job_is_told_to_nobody_but_its_owner(
    settings: Settings, database: Database, queue: FakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where something of another fails."""
    monkeypatch.setattr("service.api.app.Database", lambda _url, fails_fast: database)
    monkeypatch.setattr("service.api.routes.jobs.wait_seconds", failing(ValueError("a mistake of ours")))
    job_id = submit(database.of_owner("alice", sees_all=False), REPLAYED)
    damage(database, job_id, "metadata_", 3)

    app = create_app(settings.model_copy(update={"auth": "required"}), queue)
    with TestClient(app, raise_server_exceptions=False) as client:
        made = [keys.create_key(database, f"of-{owner}", "train", owner=owner) for owner in ("alice", "bob")]
        answers = [client.get(f"/v1/jobs/{job_id}", headers={"Authorization": f"Bearer {key.text}"}) for key in made]

    assert str(job_id) in problem_of(answers[0], 409)["detail"]
    assert str(job_id) not in problem_of(answers[1], 500)["detail"]


def test_what_is_lacking_is_not_taken_for_damage(
    app: FastAPI, database: Database, trained: Callable[[dict[str, Any]], UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged, sound = trained(REPLAYED), trained(REPLAYED)
    damage(database, damaged, "metadata_", 3)
    change(database, lambda session: session.merge(Snapshot(job_id=sound, epoch=2, state=b"not to be read")))
    monkeypatch.setattr("service.api.routes.jobs.wait_seconds", failing(RuntimeError("can't start new thread")))
    monkeypatch.setattr("torch.load", failing(RuntimeError("can't allocate memory")))

    with TestClient(app, raise_server_exceptions=False) as client:
        answers = [client.get(f"/v1/jobs/{path}") for path in (damaged, f"{sound}/epochs/3/steps")]

    assert [problem_of(answer, 503)["type"] for answer in answers] == ["/problems/out-of-resources"] * 2
    with database.reading() as session, pytest.raises(RuntimeError, match="can't allocate memory"):
        find_damage(session, sound)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_the_states_of_a_job_are_looked_at_one_by_one(database: Database) -> None:
    """All of them may be more than there is memory for."""
    job_id = submit(database)
    for epoch in range(3):
        change(database, lambda session, epoch=epoch: session.add(Snapshot(job_id=job_id, epoch=epoch, state=b"some")))
    cursors = text("SELECT count(*) FROM pg_cursors WHERE name <> ''")

    with database.reading() as session:
        states = documents.read_states(session, job_id)
        assert (next(states), session.scalar(cursors)) == (b"some", 1)
        assert ([*states], session.scalar(cursors)) == ([b"some"] * 2, 0)
