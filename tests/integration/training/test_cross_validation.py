"""A job says how well exact solutions predict rows left out, where it asks for that: `"cross_validation": K`."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from starlette.testclient import TestClient
from workbench import claim, jobs_of, read, submit, submit_sweep

import slope.engines.costs
import worker.jobs.cross_validation
from service.store.database import Database
from slope.run import Interrupted
from slope.spec import TrainingSpec
from slope.splits import divide_rows, fold_of_rows
from worker.attempt import run_attempt
from worker.heartbeat import Heartbeat
from worker.jobs.cross_validation import cross_validate_job
from worker.process import Process

Trained = Callable[[dict[str, Any]], UUID]

ROWS, FOLDS = 60, 4
RANDOM = np.random.default_rng(7)
X = RANDOM.normal(size=(ROWS, 2)) * [1.0, 30.0] + [5.0, -8.0]
Y = X @ [1.5, -0.25] + 3 + RANDOM.normal(size=ROWS)
WEIGHTS = RANDOM.integers(1, 5, ROWS).astype(float)
CSV = "a,b,y,w\n" + "".join(",".join(map(repr, row)) + "\n" for row in np.column_stack([X, Y, WEIGHTS]).tolist())


def wanted(**hyperparameters: Any) -> dict[str, Any]:
    shared = {"epochs": 5, "batch_size": "full", "learning_rate": 1e-5, "dtype": "float64", "l2": 0.2, "seed": 3}
    return {
        "dataset": {"x": X.tolist(), "y": Y.tolist()},
        "hyperparameters": shared | hyperparameters,
        "cross_validation": FOLDS,
    }


def uploaded(client: TestClient) -> dict[str, Any]:
    dataset = client.post("/v1/datasets", content=CSV, headers={"Content-Type": "text/csv"}).json()
    return {"id": dataset["id"], "features": ["a", "b"], "target": "y"}


def expected(spec: TrainingSpec, weights: Any = None) -> list[float]:
    """By ridges that scikit-learn fits to the other folds."""
    training, _, _ = divide_rows(ROWS, spec)
    fold, errors = fold_of_rows(ROWS, spec, FOLDS), []
    for number in range(FOLDS):
        others, left_out = training[fold[training] != number], training[fold[training] == number]
        counted = np.ones(ROWS) if weights is None else weights
        model = Ridge(alpha=spec.l2 * counted[others].sum(), solver="svd")
        model.fit(X[others], Y[others], counted[others])
        squares = np.square(Y - model.predict(X))
        errors.append(np.average(squares[left_out], weights=counted[left_out]))
    return errors


def assert_validated(job: dict[str, Any], weights: Any = None) -> None:
    errors = expected(TrainingSpec.model_validate(job["hyperparameters"]), weights)
    found = job["metrics"]["cross_validation"]
    assert (job["status"], job["cross_validation"], found["folds"]) == ("succeeded", FOLDS, FOLDS)
    assert [each["mean_squared_error"] for each in found["per_fold"]] == pytest.approx(errors, rel=1e-9)
    assert found["mean_squared_error"] == pytest.approx(np.mean(errors), rel=1e-9)
    assert found["standard_deviation"] == pytest.approx(np.std(errors, ddof=1), rel=1e-8)
    assert job["loss"]["cross_validation"] == found["mean_squared_error"]
    assert "exact solution" in found["note"]


@pytest.mark.parametrize("engine", ["eager", "compiled", "reduced"])
def test_of_rows_of_the_request(client: TestClient, trained: Trained, engine: str) -> None:
    job = client.get(f"/v1/jobs/{trained(wanted(engine=engine, validation_fraction=0.2))}").json()
    assert_validated(job)
    assert job["metrics"]["validation"]["rows"] == 12


@pytest.mark.parametrize("weights", [False, True], ids=["alike", "weighted"])
def test_of_stored_rows_also_when_a_triangle_spares_them_to_the_training(
    client: TestClient, trained: Trained, weights: bool
) -> None:
    request = wanted() | {"dataset": uploaded(client) | ({"weights": "w"} if weights else {})}
    job = client.get(f"/v1/jobs/{trained(request)}").json()
    assert_validated(job, WEIGHTS if weights else None)


def test_of_data_that_is_read_in_parts(client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slope.engines.costs, "MOST_NUMBERS_AT_ONCE", 0)
    job = client.get(f"/v1/jobs/{trained(wanted(engine='reduced', record={'steps': 'none'}))}").json()
    assert job["plan"]["streams"]
    assert_validated(job)


def test_a_job_that_does_not_ask_has_none(client: TestClient, trained: Trained) -> None:
    job = client.get(f"/v1/jobs/{trained(wanted() | {'cross_validation': None})}").json()
    assert job["cross_validation"] is None
    assert job["metrics"]["cross_validation"] is None
    assert job["loss"]["cross_validation"] is None


def test_a_job_that_is_run_again_asks_again(client: TestClient, trained: Trained) -> None:
    job_id = trained(wanted())
    assert client.post(f"/v1/jobs/{job_id}/rerun", json={}).json()["cross_validation"] == FOLDS
    copied = client.post("/v1/jobs", json=client.get(f"/v1/jobs/{job_id}").json())
    assert (copied.status_code, copied.json()["cross_validation"]) == (202, FOLDS)


@pytest.mark.parametrize(
    ("folds", "hyperparameters", "words"),
    [
        (1, {}, "greater than or equal to 2"),
        (21, {}, "less than or equal to 20"),
        (2.5, {}, "integer"),
        ("5", {}, "integer"),
        (True, {}, "integer"),
        (5, {"loss": "huber"}, "huber has none"),
        (5, {"frozen": ["weights"]}, "The weights are frozen"),
        (5, {"test_fraction": 0.95}, "Of 60 rows 3 are trained on, which do not fill 5 folds"),
    ],
    ids=str,
)
def test_what_cannot_be_validated_is_refused(
    client: TestClient, folds: Any, hyperparameters: dict[str, Any], words: str
) -> None:
    answer = client.post("/v1/jobs", json=wanted(**hyperparameters) | {"cross_validation": folds})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["pointer"] == "/cross_validation"
    assert words in error["detail"]


def test_too_many_features_are_refused_of_stored_data_too(client: TestClient) -> None:
    header = ",".join(f"c{place}" for place in range(131))
    rows = "".join(",".join(str((row * place) % 7) for place in range(131)) + "\n" for row in range(5))
    content = f"{header}\n{rows}"
    dataset = client.post("/v1/datasets", content=content, headers={"Content-Type": "text/csv"}).json()
    answer = client.post("/v1/jobs", json={"dataset": {"id": dataset["id"]}, "cross_validation": 2})
    assert answer.status_code == 422
    assert "At most 128 features" in answer.json()["errors"][0]["detail"]


def test_it_belongs_beside_the_hyperparameters(client: TestClient) -> None:
    answer = client.post("/v1/jobs", json=wanted(cross_validation=5))
    assert answer.json()["errors"][0]["pointer"] == "/hyperparameters/cross_validation"
    grid = {"grid": {"cross_validation": [2, 5]}, "dataset": {"x": [1, 2], "y": [1, 2]}}
    assert client.post("/v1/sweeps", json=grid).status_code == 422


def test_the_settings_of_a_sweep_are_validated_in_one_look_and_ranked_by_it(
    client: TestClient, train_sweep: Callable[[dict[str, Any]], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    strengths = [0.0, 0.1, 0.1, 400.0, 3e4]
    shared = wanted(epochs=20, fit_bias=True, shuffle=True, batch_size=8)
    shared["hyperparameters"].pop("l2")
    sweep_id = train_sweep(shared | {"settings": [{"l2": each} for each in strengths]})

    found = client.get(f"/v1/sweeps/{sweep_id}").json()
    assert (found["ranked_by"], found["cross_validation"]) == ("cross_validation", FOLDS)
    errors = [each["loss"]["cross_validation"] for each in found["ranking"]["data"]]
    assert len(errors) == len(strengths)
    assert errors == sorted(errors)
    for each in found["ranking"]["data"]:
        assert_validated(client.get(f"/v1/jobs/{each['job_id']}").json())
    pages = client.get(f"/v1/sweeps/{sweep_id}", params={"limit": 3}).json()["ranking"]
    rest = client.get(f"/v1/sweeps/{sweep_id}", params={"limit": 3, "after": pages["next"]}).json()["ranking"]
    assert pages["data"] + rest["data"] == found["ranking"]["data"]


def test_while_the_jobs_of_a_sweep_train_they_are_ranked_by_what_they_have(
    client: TestClient, database: Database
) -> None:
    sweep_id = submit_sweep(database, wanted() | {"grid": {"learning_rate": [1e-5, 1e-6]}})
    assert client.get(f"/v1/sweeps/{sweep_id}").json()["ranked_by"] == "training_loss"
    for job in jobs_of(database, sweep_id):
        client.post(f"/v1/jobs/{job.id}/pause")
    paused = client.get(f"/v1/sweeps/{sweep_id}").json()
    assert (paused["counts"], paused["ranked_by"]) == ({"paused": 2}, "training_loss")
    assert {job.cross_validation for job in jobs_of(database, sweep_id)} == {FOLDS}


def test_a_job_that_is_cancelled_meanwhile_is_not_validated(
    client: TestClient, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = claim(process.database, submit(process.database, wanted()), worker_id=process.worker_id)
    assert mine

    def interrupt(*arguments: Any) -> Any:
        monkeypatch.setattr(Heartbeat, "stop_reason", "cancelled")  # not before, or no epoch would be trained
        raise Interrupted

    monkeypatch.setattr(worker.jobs.cross_validation, "cross_validate", interrupt)
    run_attempt(process, mine)
    job = client.get(f"/v1/jobs/{mine.job_id}").json()
    assert (job["status"], job["progress"]["epochs_done"]) == ("cancelled", 5)
    assert client.get(f"/v1/jobs/{mine.job_id}/epochs").json()["data"][-1]["epoch"] == 4


def test_a_look_at_the_rows_is_given_up_when_the_job_has_to_stop(process: Process) -> None:
    job = read(process.database, submit(process.database, wanted()))

    def interrupt() -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        cross_validate_job(process, job, job.training_spec, interrupt)
