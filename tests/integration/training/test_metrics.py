"""Every job that has succeeded tells how well it predicts the rows it trained on, and those that it did not."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from starlette.testclient import TestClient
from workbench import claim, claim_group_of, jobs_of, request, submit_sweep

import slope.engines.costs
from service.store.database import Database
from slope.spec import TrainingSpec
from slope.splits import divide_rows
from worker.attempt import run_attempt
from worker.process import Process

Trained = Callable[[dict[str, Any]], UUID]

ROWS = 40
X = np.array([[row % 7, row % 5 - 0.5] for row in range(ROWS)], float)
Y = np.array([row % 3 + 0.25 * (row % 7) for row in range(ROWS)], float)
KINDS = ("training", "validation", "test")


def wanted(**hyperparameters: Any) -> dict[str, Any]:
    split = {"validation_fraction": 0.2, "test_fraction": 0.3, "seed": 5, "dtype": "float64", "l2": 0.1}
    return {
        "dataset": {"x": X.tolist(), "y": Y.tolist()},
        "hyperparameters": {"epochs": 5, "batch_size": "full", "learning_rate": 0.01} | split | hyperparameters,
    }


def assert_right(job: dict[str, Any], *, knows_rows: bool = True) -> None:
    """Held against scikit-learn's, of the job's own weights."""
    spec = TrainingSpec.model_validate(job["hyperparameters"])
    for kind, chosen in zip(KINDS, divide_rows(ROWS, spec), strict=True):
        found, y = job["metrics"][kind], Y[chosen]
        predictions = X[chosen] @ job["weights"] + job["bias"]
        assert found["rows"] == len(chosen)
        assert found["mean_squared_error"] == pytest.approx(mean_squared_error(y, predictions), rel=1e-9)
        assert found["root_mean_squared_error"] == pytest.approx(mean_squared_error(y, predictions) ** 0.5, rel=1e-9)
        assert found["r_squared"] == pytest.approx(r2_score(y, predictions), rel=1e-8)
        absolute = pytest.approx(mean_absolute_error(y, predictions), rel=1e-9) if knows_rows else None
        assert found["mean_absolute_error"] == absolute


@pytest.mark.parametrize("engine", ["eager", "compiled", "reduced"])
@pytest.mark.parametrize("standardize", [False, True])
def test_of_rows_of_each_kind(client: TestClient, trained: Trained, engine: str, standardize: bool) -> None:
    job = client.get(f"/v1/jobs/{trained(wanted(engine=engine, standardize=standardize))}").json()
    assert_right(job)
    assert job["metrics"]["note"] is None
    assert job["loss"]["training"] == job["metrics"]["training"]["mean_squared_error"]


@pytest.mark.parametrize("loss", ["absolute_error", "huber"])
def test_the_loss_without_penalties_is_the_job_s_own(client: TestClient, trained: Trained, loss: str) -> None:
    job = client.get(f"/v1/jobs/{trained(wanted(loss=loss, huber_delta=100.0))}").json()
    assert_right(job)
    training = job["metrics"]["training"]
    expected = {"absolute_error": training["mean_absolute_error"], "huber": training["mean_squared_error"] / 2}[loss]
    assert job["loss"]["training"] == pytest.approx(expected)


def test_what_was_read_in_parts_says_what_it_lacks(
    client: TestClient, database: Database, process: Process, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slope.engines.costs, "MOST_NUMBERS_AT_ONCE", 0)
    job = client.get(f"/v1/jobs/{trained(wanted(engine='reduced', record={'steps': 'none'}))}").json()
    assert job["plan"]["streams"]
    assert_right(job, knows_rows=False)
    assert "need the rows" in job["metrics"]["note"]


def test_the_settings_of_a_sweep_have_theirs_and_are_ranked_without_penalties(
    client: TestClient, database: Database, process: Process
) -> None:
    sweep = wanted(epochs=200, validation_fraction=0.0) | {"grid": {"l2": [0.0, 5.0], "learning_rate": [0.01]}}
    sweep["hyperparameters"].pop("l2")
    sweep_id = submit_sweep(database, sweep)
    first = jobs_of(database, sweep_id)[0]
    mine = (
        claim(database, first.id, worker_id=process.worker_id)
        if first.place is None
        else claim_group_of(database, first.id, worker_id=process.worker_id)
    )
    assert mine
    run_attempt(process, mine)
    if first.place is None:
        other = claim(database, jobs_of(database, sweep_id)[1].id, worker_id=process.worker_id)
        assert other
        run_attempt(process, other)

    found = client.get(f"/v1/sweeps/{sweep_id}").json()
    assert found["ranked_by"] == "training_loss"
    losses = [each["loss"]["training"] for each in found["ranking"]["data"]]
    assert losses == sorted(losses)
    best = client.get(f"/v1/jobs/{found['ranking']['data'][0]['job_id']}").json()
    assert best["metrics"]["validation"] is None
    assert best["metrics"]["test"]["rows"] == 12
    page = client.get(f"/v1/sweeps/{sweep_id}", params={"limit": 1}).json()["ranking"]
    rest = client.get(f"/v1/sweeps/{sweep_id}", params={"limit": 1, "after": page["next"]}).json()["ranking"]
    assert [each["job_id"] for each in page["data"] + rest["data"]] == [
        each["job_id"] for each in found["ranking"]["data"]
    ]


def test_a_job_that_has_not_ended_has_none(client: TestClient) -> None:
    job = client.post("/v1/jobs", json=request()).json()
    assert (job["metrics"], job["loss"]["training"]) == (None, None)
