"""Jobs that go on from others: the same predictions, the same bits where that can be, and a refusal that says why."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from workbench import claimed, problem_of, read, request
from workbench import jobs_of as members_of

from service.store.database import Database
from service.store.tables import Epoch

Trained = Callable[[dict[str, Any]], UUID]
Train = Callable[[UUID | str], None]

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "momentum": {"optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True}, "batch_size": 2},
    "adam": {"optimizer": {"name": "adam", "amsgrad": True}, "learning_rate": 0.05},
    "adagrad, standardized": {"optimizer": {"name": "adagrad"}, "standardize": True, "dtype": "float64"},
    "rmsprop, compiled": {"optimizer": {"name": "rmsprop"}, "engine": "compiled", "batch_size": 2},
    "adam, reduced": {"optimizer": {"name": "adam"}, "engine": "reduced", "standardize": True},
    "lbfgs, reduced": {"optimizer": {"name": "lbfgs"}, "engine": "reduced", "standardize": True, "learning_rate": 0.5},
    "composed": {"engine": "composed", "batch_size": 1, "record": {"steps": "none"}},
    "gradients add up": {"zero_gradients": "never", "learning_rate": 0.001},
    "lbfgs": {"optimizer": {"name": "lbfgs"}, "learning_rate": 0.5},
}


def epochs_of(database: Database, job_id: UUID | str) -> list[tuple[Any, ...]]:
    """What each epoch came to, without its number."""
    with database.reading() as session:
        found = session.scalars(select(Epoch).where(Epoch.job_id == UUID(str(job_id))).order_by(Epoch.epoch)).all()
    return [(row.loss, row.last_loss, row.weights, row.bias, row.gradient_norm) for row in found]


def go_on(client: TestClient, train: Train, wanted: dict[str, Any], job_id: UUID, **more: Any) -> dict[str, Any]:
    answer = client.post("/v1/jobs", json=wanted | {"initial_from": {"job": str(job_id)} | more})
    assert answer.status_code == 202, answer.text
    train(answer.json()["id"])
    job: dict[str, Any] = client.get(f"/v1/jobs/{answer.json()['id']}").json()
    assert job["status"] == "succeeded"
    return job


@pytest.mark.parametrize("kind", KINDS)
def test_ten_epochs_and_ten_more_with_the_state_are_twenty(
    client: TestClient, database: Database, trained: Trained, train: Train, kind: str
) -> None:
    whole = trained(request(**{"epochs": 20} | KINDS[kind]))
    wanted = request(**{"epochs": 10} | KINDS[kind])
    first = trained(wanted)

    second = go_on(client, train, wanted, first, optimizer_state=True)

    assert second["initial_from"] == {"job": str(first), "epoch": 9, "optimizer_state": True}
    assert epochs_of(database, first) + epochs_of(database, second["id"]) == epochs_of(database, whole)
    assert second["weights"] == client.get(f"/v1/jobs/{whole}").json()["weights"]


def test_it_goes_on_from_an_epoch_in_the_middle_that_was_not_recorded(
    client: TestClient, database: Database, trained: Trained, train: Train
) -> None:
    kind = KINDS["adam"] | {"record": {"every": 100, "steps": "none"}}
    whole, source = trained(request(**{"epochs": 20} | KINDS["adam"])), trained(request(**{"epochs": 17} | kind))

    second = go_on(client, train, request(**{"epochs": 8} | KINDS["adam"]), source, epoch=11, optimizer_state=True)

    assert epochs_of(database, second["id"]) == epochs_of(database, whole)[12:]


def test_without_the_state_only_the_parameters_go_on(
    client: TestClient, database: Database, trained: Trained, train: Train
) -> None:
    whole, wanted = trained(request(epochs=20)), request(epochs=10)
    first = trained(wanted)

    second = go_on(client, train, wanted, first)

    assert epochs_of(database, second["id"]) == epochs_of(database, whole)[10:], "plain descent remembers nothing"
    assert second["hyperparameters"]["initial_weights"] == read(database, first).weights
    momentum = go_on(client, train, request(**{"epochs": 10} | KINDS["momentum"]), first)
    assert momentum["initial_from"] == {"job": str(first), "epoch": 9, "optimizer_state": False}


@pytest.mark.parametrize(("before", "after"), [(True, False), (False, True), (True, True)])
def test_a_job_predicts_before_its_first_step_what_the_other_did(
    client: TestClient, trained: Trained, train: Train, before: bool, after: bool
) -> None:
    points = {"predict": [7.0, -2.0]}
    first = trained(request(standardize=before, dtype="float64") | points)

    second = go_on(client, train, request(standardize=after, dtype="float64") | points, first)

    told = client.get(f"/v1/jobs/{first}/predictions").json()["data"]
    begun = client.get(f"/v1/jobs/{second['id']}/predictions").json()["data"]
    assert [each["before"] for each in begun] == pytest.approx([each["after"] for each in told], rel=1e-12)


def test_the_schedule_and_the_order_of_rows_begin_anew(
    client: TestClient, database: Database, trained: Trained, train: Train
) -> None:
    wanted = request(epochs=4, shuffle=True, batch_size=1, schedule={"name": "exponential", "gamma": 0.5})
    first = trained(wanted)

    second = go_on(client, train, wanted, first, optimizer_state=True)

    told, again = (client.get(f"/v1/jobs/{each}/epochs").json()["data"] for each in (first, second["id"]))
    assert [epoch["learning_rate"] for epoch in again] == [epoch["learning_rate"] for epoch in told]
    orders = [
        [step["rows"] for step in client.get(f"/v1/jobs/{each}/epochs/1/steps").json()["data"]]
        for each in (first, second["id"])
    ]
    assert orders[0] == orders[1]


def test_it_is_replayed_and_run_again_after_the_other_was_deleted(
    client: TestClient, database: Database, trained: Trained, train: Train
) -> None:
    wanted = request(**{"epochs": 6, "record": {"steps": "none", "every": 4}} | KINDS["adam"])
    recorded = request(**{"epochs": 6, "record": {"steps": "all"}} | KINDS["adam"])
    first = trained(wanted)
    kept = go_on(client, train, recorded, first, optimizer_state=True)
    second = go_on(client, train, wanted, first, optimizer_state=True)
    assert client.delete(f"/v1/jobs/{first}").status_code == 204

    url = "/epochs/2/steps"
    replayed = client.get(f"/v1/jobs/{second['id']}{url}").json()["data"]
    assert replayed == client.get(f"/v1/jobs/{kept['id']}{url}").json()["data"]
    again = client.post(f"/v1/jobs/{second['id']}/rerun", json={}).json()
    train(again["id"])
    assert epochs_of(database, again["id"]) == epochs_of(database, second["id"])
    assert again["initial_from"] == second["initial_from"]


def test_a_rerun_with_another_optimizer_cannot_have_the_state(
    client: TestClient, trained: Trained, train: Train
) -> None:
    wanted = request(**{"epochs": 3} | KINDS["adam"])
    second = go_on(client, train, wanted, trained(wanted), optimizer_state=True)
    url, patch = f"/v1/jobs/{second['id']}/rerun", {"hyperparameters": {"optimizer": None}}

    problem = problem_of(client.post(url, json=patch), 422)

    assert [error["pointer"] for error in problem["errors"]] == ["/hyperparameters/optimizer"]
    answer = client.post(url, json=patch | {"initial_from": None})
    assert (answer.status_code, answer.json()["initial_from"]) == (202, None)
    assert answer.json()["hyperparameters"]["initial_weights"] == second["hyperparameters"]["initial_weights"]


def test_a_rerun_may_go_on_from_its_own_job(
    client: TestClient, database: Database, trained: Trained, train: Train
) -> None:
    whole = trained(request(epochs=10, initial_weights=[1.0], optimizer={"name": "adam"}))
    first = trained(request(epochs=5, initial_weights=[1.0], optimizer={"name": "adam"}))

    patch = {"initial_from": {"job": str(first), "optimizer_state": True}}
    again = client.post(f"/v1/jobs/{first}/rerun", json=patch).json()
    train(again["id"])

    assert epochs_of(database, again["id"]) == epochs_of(database, whole)[5:]


def test_an_answer_is_posted_again(client: TestClient, database: Database, trained: Trained, train: Train) -> None:
    wanted = request(**{"epochs": 3} | KINDS["adam"])
    first = trained(wanted)
    for options in ({}, {"optimizer_state": True}):
        second = go_on(client, train, wanted, first, **options)
        again = client.post("/v1/jobs", json=second)
        assert again.status_code == 202, again.text
        train(again.json()["id"])
        assert epochs_of(database, again.json()["id"]) == epochs_of(database, second["id"])


def test_a_plan_knows_where_a_job_begins(client: TestClient, trained: Trained) -> None:
    wanted = request(**KINDS["rmsprop, compiled"])
    first = trained(wanted)
    origin = {"job": str(first), "optimizer_state": True}

    free = wanted | {"hyperparameters": wanted["hyperparameters"] | {"engine": "auto"}, "initial_from": origin}
    assert client.post("/v1/plan", json=free).json()["plan"]["engine"] == "compiled"


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "too late": ({"epoch": 5}, {}, "/initial_from/epoch"),
    "two starts": ({}, {"initial_weights": [1.0]}, "/hyperparameters/initial_weights"),
    "no bias": ({}, {"fit_bias": False}, "/hyperparameters/fit_bias"),
    "another optimizer": ({"optimizer_state": True}, {"optimizer": {"name": "adam"}}, "/hyperparameters/optimizer"),
    "another dtype": ({"optimizer_state": True}, {"dtype": "float64"}, "/hyperparameters/dtype"),
    "standardized": ({"optimizer_state": True}, {"standardize": True}, "/hyperparameters/standardize"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_together_is_refused(client: TestClient, trained: Trained, case: str) -> None:
    origin, settings, pointer = REFUSED[case]
    first = trained(request())

    wanted = request(**settings) | {"initial_from": {"job": str(first)} | origin}
    problem = problem_of(client.post("/v1/jobs", json=wanted), 422)

    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert [each["id"] for each in client.get("/v1/jobs").json()["data"]] == [str(first)]


def test_other_features_are_refused(client: TestClient, trained: Trained) -> None:
    named = {"x": [[1.0, 2.0], [2.0, 1.0]], "y": [1.0, 2.0], "features": ["rooms", "area"]}
    first = trained({"dataset": named})

    for data, words in (
        ({"x": [1.0, 2.0], "y": [1.0, 2.0]}, "has 2 features, and the data of this one has 1"),
        (named | {"features": ["area", "rooms"]}, "Feature 0 of that job is rooms, and of this one area"),
    ):
        problem = problem_of(client.post("/v1/jobs", json={"dataset": data, "initial_from": {"job": str(first)}}), 422)
        assert [error["pointer"] for error in problem["errors"]] == ["/initial_from/job"]
        assert words in problem["errors"][0]["detail"]
    nameless = {"dataset": {"x": named["x"], "y": named["y"]}, "initial_from": {"job": str(first)}}
    assert client.post("/v1/jobs", json=nameless).status_code == 202


def test_standardized_rows_have_to_be_the_same_for_the_state(client: TestClient, trained: Trained) -> None:
    wanted = request(standardize=True)
    first = trained(wanted)
    others = wanted | {"dataset": {"x": [1.0, 2.0, 3.0, 5.0], "y": [3.0, 5.0, 7.0, 9.5]}}
    origin = {"initial_from": {"job": str(first), "optimizer_state": True}}

    problem = problem_of(client.post("/v1/jobs", json=others | origin), 422)

    assert [error["pointer"] for error in problem["errors"]] == ["/initial_from/optimizer_state"]
    assert client.post("/v1/jobs", json=wanted | origin).status_code == 202
    stored = wanted | {"dataset": {"id": client.get(f"/v1/jobs/{first}").json()["dataset"]["id"]}}
    assert client.post("/v1/jobs", json=stored | origin).status_code == 202


def test_a_job_without_epochs_and_one_that_is_not_there_are_refused(client: TestClient, database: Database) -> None:
    for job_id, words in ((claimed(database).job_id, "has trained no epoch yet"), (uuid4(), "There is no job")):
        problem = problem_of(client.post("/v1/jobs", json=request() | {"initial_from": {"job": str(job_id)}}), 422)
        assert [error["pointer"] for error in problem["errors"]] == ["/initial_from/job"]
        assert words in problem["errors"][0]["detail"]


def test_parameters_that_the_dtype_does_not_hold_are_refused(client: TestClient, trained: Trained) -> None:
    first = trained(request(dtype="float64", learning_rate=1e150, epochs=1))

    problem = problem_of(client.post("/v1/jobs", json=request() | {"initial_from": {"job": str(first)}}), 422)

    assert [error["pointer"] for error in problem["errors"]] == ["/initial_from/epoch"]
    assert "take dtype float64" in problem["errors"][0]["detail"]


def test_the_parameters_of_a_job_of_a_sweep_go_on_and_its_optimizer_does_not(
    client: TestClient, database: Database, train_sweep: Callable[[dict[str, Any]], str], train: Train
) -> None:
    sweep_id = train_sweep(request(engine="fused") | {"grid": {"learning_rate": [0.01, 0.02]}})
    member = members_of(database, UUID(sweep_id))[0]

    second = go_on(client, train, request(), member.id)
    assert second["hyperparameters"]["initial_weights"] == read(database, member.id).weights

    wanted = request() | {"initial_from": {"job": str(member.id), "optimizer_state": True}}
    problem = problem_of(client.post("/v1/jobs", json=wanted), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["/initial_from/optimizer_state"]


def test_a_repeated_request_finds_its_job(client: TestClient, trained: Trained) -> None:
    first, headers = trained(request()), {"Idempotency-Key": "going on"}
    wanted = request() | {"initial_from": {"job": str(first)}}

    made, again = (client.post("/v1/jobs", json=wanted, headers=headers) for _ in range(2))

    assert made.json()["id"] == again.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"


def test_a_repeated_request_finds_its_job_when_the_other_is_deleted(client: TestClient, trained: Trained) -> None:
    first, headers = trained(request()), {"Idempotency-Key": "going on"}
    wanted = request() | {"initial_from": {"job": str(first)}}
    made = client.post("/v1/jobs", json=wanted, headers=headers)
    assert client.delete(f"/v1/jobs/{first}").status_code == 204

    again = client.post("/v1/jobs", json=wanted, headers=headers)
    assert (again.status_code, again.json()["id"]) == (202, made.json()["id"])
    assert again.headers["idempotency-replayed"] == "true"
    problem_of(client.post("/v1/jobs", json=wanted | {"name": "another"}, headers=headers), 422)
    problem_of(client.post("/v1/jobs", json=wanted, headers={"Idempotency-Key": "new"}), 422)
