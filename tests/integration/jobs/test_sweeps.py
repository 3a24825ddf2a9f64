"""Sweeps over HTTP: accepted whole or not at all, ranked, cancelled and deleted as one."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from uuid_utils.compat import uuid7
from workbench import (
    MANY_ROWS,
    FakeQueue,
    at_once,
    change,
    jobs_of,
    problem_of,
    read,
    request,
    rows_of_every_table,
    storage,
)

from service.api.document.examples import SWEEP_REQUESTS
from service.data.numbers import object_name
from service.store import workers
from service.store.database import Database
from service.store.jobs.idempotency import lock_key
from service.store.tables import Job, Sweep, Worker
from service.upkeep.lost_jobs import ring_again
from slope.engines.costs import COSTS, Cost

SWEEP: dict[str, Any] = request(learning_rate=0.01) | {
    "name": "rates",
    "grid": {"learning_rate": [0.001, 0.01, 0.03], "l2": [0.0, 0.1]},
    "metadata": {"course": "autograd"},
}


def test_a_sweep_is_accepted_with_a_job_for_every_combination(
    client: TestClient, database: Database, queue: FakeQueue
) -> None:
    answer = client.post("/v1/sweeps", json=SWEEP)

    assert answer.status_code == 202
    sweep = answer.json()
    assert answer.headers["location"] == f"/v1/sweeps/{sweep['id']}"
    assert sweep["counts"] == {"queued": 6}
    assert sweep["swept"] == ["l2", "learning_rate"]
    assert sweep["progress"] == {"jobs_ended": 0, "jobs": 6, "epochs_done": 0, "epochs": 30}
    jobs = client.get("/v1/jobs", params={"sweep_id": sweep["id"]}).json()["data"][::-1]
    settings = [(job["hyperparameters"]["learning_rate"], job["hyperparameters"]["l2"]) for job in jobs]
    assert settings == [(rate, l2) for rate in (0.001, 0.01, 0.03) for l2 in (0.0, 0.1)]
    assert client.get("/v1/jobs", params={"in_sweep": "false"}).json()["data"] == []
    assert len(client.get("/v1/jobs", params={"in_sweep": "true"}).json()["data"]) == 6
    for job in jobs:
        assert (job["sweep_id"], job["name"], job["metadata"]) == (sweep["id"], "rates", {"course": "autograd"})
        assert job["plan"]["engine"] == "fused"
        assert job["analysis"]["exact"]
        assert [each["status"] for each in job["transitions"]] == ["queued"]
    assert [job["analysis"]["exact"]["weights"] for job in jobs[:2]] != [jobs[0]["analysis"]["exact"]["weights"]] * 2
    assert queue.rung == [(UUID(jobs[0]["id"]), "auto")]  # one bell for the whole group


def test_settings_may_be_listed(client: TestClient) -> None:
    wanted = request() | {"settings": [{"learning_rate": 0.1}, {"optimizer": {"name": "adam"}}, {}]}
    sweep = client.post("/v1/sweeps", json=wanted).json()
    jobs = client.get("/v1/jobs", params={"sweep_id": sweep["id"]}).json()["data"][::-1]
    assert [job["hyperparameters"]["optimizer"]["name"] for job in jobs] == ["sgd", "adam", "sgd"]
    assert [job["hyperparameters"]["learning_rate"] for job in jobs] == [0.1, 0.01, 0.01]
    assert [job["plan"]["engine"] for job in jobs] == ["fused", "eager", "fused"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"grid": None}, ""),
        ({"settings": [{}]}, ""),
        ({"grid": {}, "dataset": {"x": [], "y": []}}, "/dataset/x"),
        ({"grid": {"learning_rate": []}}, "/grid/learning_rate"),
        ({"grid": {"learning_rate": [0.1, -1.0]}}, "/grid/learning_rate/1"),
        ({"grid": {"l2": [0.1], "learning_rate": [0.1, "fast"]}}, "/grid/learning_rate/1"),
        ({"grid": {"rate": [0.1]}}, "/grid/rate"),
        ({"grid": {"l1": [0.0] * 101, "l2": [0.0] * 100}}, "/grid"),
        ({"grid": None, "settings": [{"l2": 1.0}, {"batch_sise": 2}]}, "/settings/1/batch_sise"),
        ({"grid": None, "settings": [{}, {"initial_weights": [1.0, 2.0]}]}, "/settings/1/initial_weights"),
        (
            {"grid": None, "settings": [{}, {}, {"schedule": {"name": "cosine", "T_max": 10**400}}]},
            "/settings/2/schedule/T_max",
        ),
        ({"grid": {"batch_size": [1, 10**400]}}, "/grid/batch_size/1"),
        ({"grid": None, "settings": [{"frozen": ["weights", "bias"]}]}, "/settings/0/frozen"),
        ({"hyperparameters": {"epochs": 0}}, "/hyperparameters/epochs"),
        ({"predict": [[1.0, 2.0]]}, "/predict/0"),
        ({"extra": 1}, "/extra"),
        ({"dataset": {"id": "01936f5e-0000-7000-8000-000000000000"}}, "/dataset/id"),
    ],
)
def test_a_sweep_that_is_wrong_anywhere_is_refused_whole(
    client: TestClient, database: Database, change: dict[str, Any], pointer: str
) -> None:
    wanted = {name: value for name, value in (SWEEP | change).items() if value is not None}
    problem = problem_of(client.post("/v1/sweeps", json=wanted), 422)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert sum(rows_of_every_table(database).values()) == 0


def test_an_engine_that_does_not_apply_is_refused_where_it_was_asked_for(client: TestClient) -> None:
    wanted = request() | {"settings": [{}, {"engine": "composed", "loss": "huber"}]}
    problem = problem_of(client.post("/v1/sweeps", json=wanted), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["/settings/1/engine"]
    assert "squared_error" in problem["errors"][0]["detail"]


def test_settings_that_are_faster_alone_train_alone_unless_fusion_is_asked_for(client: TestClient) -> None:
    rows = [float(number % 7) for number in range(5_000)]
    shared = {"epochs": 1000, "batch_size": 1, "record": {"steps": "none", "every": 100}}
    wanted = {"dataset": {"x": rows, "y": rows}, "hyperparameters": shared, "grid": {"learning_rate": [0.01, 0.02]}}
    engines = []
    for sweep in (wanted, wanted | {"hyperparameters": shared | {"engine": "fused"}}):
        sweep_id = client.post("/v1/sweeps", json=sweep).json()["id"]
        jobs = client.get("/v1/jobs", params={"sweep_id": sweep_id}).json()["data"]
        engines.append([job["plan"]["engine"] for job in jobs])
    assert engines == [["composed"] * 2, ["fused"] * 2]


def worker(database: Database, memory: int) -> None:
    cpu = [{"name": "cpu", "description": ""}]
    row = Worker(id=uuid7(), hostname="h", process_id=1, version="0", devices=cpu, slots=1, memory=memory)
    change(database, lambda session: workers.add_worker(session, row))


def test_jobs_of_a_sweep_that_train_alone_take_engines_that_workers_have_the_memory_for(
    client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COSTS, "eager", lambda work: Cost(0.0, 1e-6, 10**9))
    worker(database, 10**8)
    wanted = request() | {"settings": [{"optimizer": {"name": "lbfgs"}}, {"optimizer": {"name": "lbfgs"}, "l2": 0.1}]}

    accepted = client.post("/v1/sweeps", json=wanted)

    assert accepted.status_code == 202, accepted.text
    jobs = client.get("/v1/jobs", params={"sweep_id": accepted.json()["id"]}).json()["data"]
    assert [job["plan"]["engine"] for job in jobs] == ["reduced", "reduced"]


def test_a_sweep_that_no_worker_has_the_memory_for_is_told_so_at_once(
    client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.drafts.LITTLE_MEMORY", 0)
    worker(database, 100)
    problem = problem_of(client.post("/v1/sweeps", json=SWEEP), 422)
    assert problem["type"] == "/problems/too-large-for-workers"
    assert rows_of_every_table(database)["jobs"] == 0


@pytest.mark.parametrize("example", SWEEP_REQUESTS)
def test_the_examples_of_the_documentation_are_accepted(client: TestClient, example: str) -> None:
    accepted = client.post("/v1/sweeps", json=SWEEP_REQUESTS[example]["value"])
    jobs = client.get("/v1/jobs", params={"sweep_id": accepted.json()["id"]}).json()["data"][::-1]
    expected = {"grid": ["fused"] * 6, "settings": ["fused", "fused", "eager"]}[example]
    assert [job["plan"]["engine"] for job in jobs] == expected


def test_a_sweep_that_would_record_too_much_is_refused(client: TestClient, database: Database) -> None:
    wanted = SWEEP | {"hyperparameters": {"epochs": 4_000_000}}
    problem = problem_of(client.post("/v1/sweeps", json=wanted), 422)
    assert problem["type"] == "/problems/too-many-numbers"
    assert rows_of_every_table(database)["jobs"] == 0


def test_settings_that_do_not_fit_a_stored_dataset_are_refused(client: TestClient, database: Database) -> None:
    job = client.post("/v1/jobs", json=request()).json()
    wanted = {"dataset": {"id": job["dataset"]["id"]}, "settings": [{}, {"initial_weights": [1.0, 2.0]}]}
    problem = problem_of(client.post("/v1/sweeps", json=wanted), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["/settings/1/initial_weights"]
    assert rows_of_every_table(database)["sweeps"] == 0
    accepted = client.post("/v1/sweeps", json=wanted | {"settings": [{}, {"l2": 0.5}]})
    assert accepted.status_code == 202
    assert rows_of_every_table(database)["datasets"] == 1


def test_a_key_makes_a_repeated_sweep_harmless(client: TestClient, database: Database) -> None:
    key = {"Idempotency-Key": "sweep-1"}
    first, again = (client.post("/v1/sweeps", json=SWEEP, headers=key) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert rows_of_every_table(database)["jobs"] == 6
    other = client.post("/v1/sweeps", json=SWEEP | {"name": "other"}, headers=key)
    assert problem_of(other, 422)["type"] == "/problems/idempotency-key-reused"


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("of_a_job", ["key", "sweep key"])
def test_jobs_and_sweeps_have_keys_of_their_own(client: TestClient, database: Database, of_a_job: str) -> None:
    key = {"Idempotency-Key": "key"}
    with database.writing() as session:
        assert lock_key(session, Job, of_a_job)
        assert client.post("/v1/sweeps", json=SWEEP, headers=key).status_code == 202
        assert lock_key(session, Sweep, "another")
        problem = problem_of(client.post("/v1/sweeps", json=SWEEP, headers={"Idempotency-Key": "another"}), 409)
    assert problem["type"] == "/problems/idempotency-key-in-flight"
    assert client.post("/v1/jobs", json=request(), headers=key).status_code == 202


def test_the_same_key_at_once_makes_one_sweep(client: TestClient, database: Database) -> None:
    answers = at_once(4, lambda _: client.post("/v1/sweeps", json=SWEEP, headers={"Idempotency-Key": "k"}).status_code)
    assert set(answers) <= {202, 409}
    assert rows_of_every_table(database)["sweeps"] == 1
    assert rows_of_every_table(database)["jobs"] == 6


def test_ten_thousand_jobs_share_one_dataset_and_a_few_bells(
    client: TestClient, database: Database, queue: FakeQueue
) -> None:
    rates = [0.0001 * (number + 1) for number in range(10_000)]
    wanted = request(epochs=2) | {"grid": {"learning_rate": rates}}

    answer = client.post("/v1/sweeps", json=wanted)

    assert answer.json()["counts"] == {"queued": 10_000}
    assert rows_of_every_table(database)["datasets"] == 1
    assert len(queue.rung) == 10  # groups of at most 1,024


def test_a_broker_that_is_away_leaves_the_bells_to_the_reaper(
    client: TestClient, database: Database, queue: FakeQueue
) -> None:
    queue.is_up = False
    wanted = request() | {"settings": [{}, {"l2": 0.5}, {"batch_size": 1}]}
    sweep_id = UUID(client.post("/v1/sweeps", json=wanted).json()["id"])
    jobs = jobs_of(database, sweep_id)
    queue.is_up, queue.rung = True, []

    assert ring_again(database, queue) == [jobs[0].id, jobs[2].id]  # one of the group, and who trains alone
    assert ring_again(database, queue) == []


def test_jobs_are_ranked_by_their_loss(client: TestClient, train_sweep: Callable[[dict[str, Any]], str]) -> None:
    rates = [0.001, 0.05, 0.01, 50.0]
    sweep_id = train_sweep(request(epochs=200) | {"grid": {"learning_rate": rates}})

    sweep = client.get(f"/v1/sweeps/{sweep_id}").json()

    assert sweep["ranked_by"] == "training_loss"
    assert sweep["counts"] == {"succeeded": 3, "failed": 1}
    assert sweep["progress"]["jobs_ended"] == 4
    ranked = sweep["ranking"]["data"]
    assert [job["settings"]["learning_rate"] for job in ranked] == [0.05, 0.01, 0.001]
    assert ranked[0]["loss"]["last"] < ranked[1]["loss"]["last"] < ranked[2]["loss"]["last"]
    best = client.get(f"/v1/jobs/{ranked[0]['job_id']}").json()
    assert best["loss"] == ranked[0]["loss"]
    assert best["status"] == "succeeded"


def test_pages_of_a_ranking_follow_each_other_without_a_gap(
    client: TestClient, train_sweep: Callable[[dict[str, Any]], str]
) -> None:
    rates = [0.001, 0.02, 0.01, 0.01, 0.01, 0.005]  # three are equal
    sweep_id = train_sweep(request() | {"grid": {"learning_rate": rates}})
    whole = client.get(f"/v1/sweeps/{sweep_id}").json()["ranking"]["data"]

    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.get(f"/v1/sweeps/{sweep_id}", params={"limit": 2} | cursor).json()["ranking"]
        found += page["data"]
        if page["next"] is None:
            break
        cursor = {"after": page["next"]}
    assert found == whole
    assert len(found) == 6


def test_a_ranking_goes_by_the_validation_loss_where_rows_are_held_back(
    client: TestClient, train_sweep: Callable[[dict[str, Any]], str]
) -> None:
    wanted = request(validation_fraction=0.25) | {"grid": {"learning_rate": [0.001, 0.01, 0.03]}}
    sweep_id = train_sweep(wanted)
    sweep = client.get(f"/v1/sweeps/{sweep_id}").json()
    assert sweep["ranked_by"] == "validation_loss"
    losses = [job["loss"]["validation"] for job in sweep["ranking"]["data"]]
    assert losses == sorted(losses)
    by_loss = client.get(f"/v1/sweeps/{sweep_id}", params={"by": "loss"}).json()["ranking"]["data"]
    assert [job["loss"]["last"] for job in by_loss] == sorted(job["loss"]["last"] for job in by_loss)


def test_the_settings_of_a_fold_train_together_and_a_sweep_has_all_folds(
    client: TestClient, database: Database, train_sweep: Callable[[dict[str, Any]], str]
) -> None:
    folds = [[[0, 2]], [[2, 4]]]
    sweep_id = train_sweep(request() | {"grid": {"validation_rows": folds, "learning_rate": [0.01, 0.03]}})
    sweep = client.get(f"/v1/sweeps/{sweep_id}").json()
    assert (sweep["counts"], sweep["ranked_by"]) == ({"succeeded": 4}, "validation_loss")
    jobs = [client.get(f"/v1/jobs/{job.id}").json() for job in jobs_of(database, UUID(sweep_id))]
    assert [job["hyperparameters"]["validation_rows"] for job in jobs] == [folds[0], folds[0], folds[1], folds[1]]
    assert {job["plan"]["engine"] for job in jobs} == {"fused"}
    assert {(job["metrics"]["training"]["rows"], job["metrics"]["validation"]["rows"]) for job in jobs} == {(2, 2)}


@pytest.mark.parametrize("cursor", ["1.0", "x_01936f5e-0000-7000-8000-000000000000", "1.0_x"])
def test_a_cursor_that_no_answer_gave_is_refused(client: TestClient, cursor: str) -> None:
    sweep_id = client.post("/v1/sweeps", json=SWEEP).json()["id"]
    problem = problem_of(client.get(f"/v1/sweeps/{sweep_id}", params={"after": cursor}), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["/query/after"]


def test_sweeps_are_listed_newest_first(client: TestClient) -> None:
    ids = [client.post("/v1/sweeps", json=SWEEP).json()["id"] for _ in range(3)]
    page = client.get("/v1/sweeps", params={"limit": 2}).json()
    assert [sweep["id"] for sweep in page["data"]] == ids[:0:-1]
    rest = client.get("/v1/sweeps", params={"after": page["next"]}).json()
    assert [sweep["id"] for sweep in rest["data"]] == ids[:1]
    assert rest["next"] is None
    assert {sweep["counts"]["queued"] for sweep in [*page["data"], *rest["data"]]} == {6}
    assert {sweep["progress"]["epochs"] for sweep in [*page["data"], *rest["data"]]} == {30}


def test_a_sweep_of_which_all_jobs_were_deleted_is_empty(client: TestClient, database: Database) -> None:
    sweep_id = client.post("/v1/sweeps", json=SWEEP).json()["id"]
    for job in jobs_of(database, UUID(sweep_id)):
        assert client.delete(f"/v1/jobs/{job.id}").status_code == 204
    sweep = client.get(f"/v1/sweeps/{sweep_id}").json()
    assert (sweep["counts"], sweep["progress"]["jobs"], sweep["ranking"]["data"]) == ({}, 0, [])
    assert client.delete(f"/v1/sweeps/{sweep_id}").status_code == 204


def test_a_sweep_that_waits_is_cancelled_at_once(client: TestClient, database: Database) -> None:
    sweep_id = client.post("/v1/sweeps", json=SWEEP).json()["id"]
    answer = client.post(f"/v1/sweeps/{sweep_id}/cancel")
    assert (answer.status_code, answer.json()["counts"]) == (202, {"cancelled": 6})
    job = client.get("/v1/jobs", params={"sweep_id": sweep_id}).json()["data"][0]
    assert [each["status"] for each in job["transitions"]] == ["queued", "cancelled"]
    again = client.post(f"/v1/sweeps/{sweep_id}/cancel")
    assert problem_of(again, 409)["type"] == "/problems/sweep-is-final"


def test_a_sweep_is_deleted_with_its_jobs_and_data_but_not_while_it_runs(
    client: TestClient, database: Database, train_sweep: Callable[[dict[str, Any]], str]
) -> None:
    sweep_id = train_sweep(SWEEP | {"dataset": MANY_ROWS["dataset"]})
    first = jobs_of(database, UUID(sweep_id))[0]
    change(database, lambda session: session.execute(update(Job).where(Job.id == first.id).values(status="running")))
    assert problem_of(client.delete(f"/v1/sweeps/{sweep_id}"), 409)["type"] == "/problems/sweep-is-running"
    change(database, lambda session: session.execute(update(Job).where(Job.id == first.id).values(status="succeeded")))
    assert storage().open(object_name(first.dataset.object_id))

    assert client.delete(f"/v1/sweeps/{sweep_id}").status_code == 204

    assert sum(rows_of_every_table(database).values()) == 0
    assert problem_of(client.get(f"/v1/sweeps/{sweep_id}"), 404)["type"] == "/problems/sweep-not-found"


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/cancel"), ("DELETE", "")])
def test_a_sweep_that_is_not_there_is_not_found(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, f"/v1/sweeps/01936f5e-0000-7000-8000-000000000000{path}")
    assert problem_of(answer, 404)["type"] == "/problems/sweep-not-found"


def test_a_job_of_a_sweep_can_be_deleted_by_itself(
    client: TestClient, database: Database, train_sweep: Callable[[dict[str, Any]], str]
) -> None:
    sweep_id = train_sweep(SWEEP)
    jobs = jobs_of(database, UUID(sweep_id))
    assert client.delete(f"/v1/jobs/{jobs[0].id}").status_code == 204
    assert client.get(f"/v1/sweeps/{sweep_id}").json()["counts"] == {"succeeded": 5}
    assert read(database, jobs[1].id).status == "succeeded"
