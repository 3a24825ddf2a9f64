"""Jobs whose rows do not count alike: from a request, from a column, in memory, in parts, and in sweeps."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.metrics import mean_absolute_error, mean_squared_error
from starlette.testclient import TestClient
from workbench import claim_group_of, jobs_of, problem_of, request, submit_sweep

import service.statistics.solutions
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
COUNTS = np.array([row % 4 for row in range(ROWS)])
AGAIN = np.repeat(np.arange(ROWS), COUNTS)
TABLE = "a,b,y,n\n" + "\n".join(f"{a},{b},{y},{n}" for (a, b), y, n in zip(X, Y, COUNTS, strict=True))


def uploaded(client: TestClient, table: str) -> str:
    dataset_id: str = client.post("/v1/datasets", content=table.encode(), headers={"Content-Type": "text/csv"}).json()[
        "id"
    ]
    return dataset_id


def run_of(dataset: dict[str, Any], **hyperparameters: Any) -> dict[str, Any]:
    own = {"epochs": 6, "batch_size": "full", "learning_rate": 0.01, "dtype": "float64"} | hyperparameters
    return {"dataset": dataset, "hyperparameters": own, "predict": [[1.0, 2.0]]}


INLINE = {"x": X.tolist(), "y": Y.tolist(), "weights": COUNTS.astype(float).tolist()}
REPEATED = {"x": X[AGAIN].tolist(), "y": Y[AGAIN].tolist()}


def assert_alike(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["status"] == other["status"] == "succeeded"
    assert one["weights"] == pytest.approx(other["weights"], rel=1e-12)
    assert one["loss"]["last"] == pytest.approx(other["loss"]["last"], rel=1e-12)
    assert one["analysis"]["exact"]["weights"] == pytest.approx(other["analysis"]["exact"]["weights"], rel=1e-9)
    assert one["analysis"]["reached"]["loss"] == pytest.approx(other["analysis"]["reached"]["loss"], rel=1e-12)
    found, expected = one["metrics"]["training"], other["metrics"]["training"]
    assert found["mean_squared_error"] == pytest.approx(expected["mean_squared_error"], rel=1e-12)
    assert found["r_squared"] == pytest.approx(expected["r_squared"], rel=1e-10)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("rate", ["auto", 0.01])
def test_whole_numbers_are_rows_that_are_there_as_often(
    client: TestClient, trained: Trained, standardize: bool, rate: Any
) -> None:
    options = {"standardize": standardize, "learning_rate": rate}
    weighted, repeated = (
        client.get(f"/v1/jobs/{trained(run_of(dataset, **options))}").json() for dataset in (INLINE, REPEATED)
    )
    assert_alike(weighted, repeated)
    assert weighted["dataset"]["weights"] == "weights"
    assert repeated["dataset"]["weights"] is None
    assert weighted["metrics"]["training"]["mean_absolute_error"] == pytest.approx(
        repeated["metrics"]["training"]["mean_absolute_error"], rel=1e-12
    )


def test_a_column_of_a_dataset_says_how_much_rows_count(client: TestClient, trained: Trained) -> None:
    dataset = uploaded(client, TABLE)
    job_id = trained(run_of({"id": dataset, "target": "y", "weights": "n"}))
    job = client.get(f"/v1/jobs/{job_id}").json()
    assert job["dataset"]["columns"] == ["a", "b"]
    assert_alike(job, client.get(f"/v1/jobs/{trained(run_of(REPEATED))}").json())
    again = client.post("/v1/jobs", json=job).json()
    assert again["dataset"] == job["dataset"]
    assert again["plan"]["from_triangle"] is False


def test_data_read_in_parts_is_weighted_as_in_memory(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = uploaded(client, TABLE)
    wanted = run_of(
        {"id": dataset, "target": "y", "weights": "n"}, engine="reduced", standardize=True, record={"steps": "none"}
    )
    whole = client.get(f"/v1/jobs/{trained(wanted)}").json()
    monkeypatch.setattr(slope.engines.costs, "MOST_NUMBERS_AT_ONCE", 0)
    job = client.get(f"/v1/jobs/{trained(wanted)}").json()
    assert job["plan"]["streams"]
    assert_alike(job, whole)


def test_metrics_and_held_back_rows_are_weighted(client: TestClient, trained: Trained) -> None:
    job = client.get(f"/v1/jobs/{trained(run_of(INLINE, validation_fraction=0.25, loss='huber'))}").json()
    assert job["plan"]["engine"] == "eager"
    weighted = client.get(f"/v1/jobs/{trained(run_of(INLINE))}").json()
    predictions, shares = X @ weighted["weights"] + weighted["bias"], {"sample_weight": COUNTS}
    found = weighted["metrics"]["training"]
    assert found["mean_squared_error"] == pytest.approx(mean_squared_error(Y, predictions, **shares))
    assert found["mean_absolute_error"] == pytest.approx(mean_absolute_error(Y, predictions, **shares))
    assert job["metrics"]["validation"]["rows"] == 10


@pytest.mark.parametrize("steps", ["all", "none"])
@pytest.mark.parametrize("engine", ["eager", "compiled"])
def test_graphs_audits_and_replays_know_the_weights(
    client: TestClient, trained: Trained, steps: str, engine: str
) -> None:
    job_id = trained(run_of(INLINE, batch_size=8, engine=engine, record={"steps": steps}))
    found = client.get(f"/v1/jobs/{job_id}/epochs/3/steps").json()["data"]
    graph = client.get(f"/v1/jobs/{job_id}/epochs/3/steps/2/graph").json()
    assert graph["loss"] == pytest.approx(found[2]["loss"], rel=1e-12)
    assert any((node["name"] or "").startswith("weight") for node in graph["nodes"])
    audit = client.get(f"/v1/jobs/{job_id}/epochs/3/audit").json()
    assert audit["difference"] <= audit["tolerance"]


def test_the_settings_of_a_sweep_know_them(
    client: TestClient, database: Database, process: Process, trained: Trained
) -> None:
    wanted = run_of(INLINE, batch_size=8, engine="fused") | {"grid": {"l2": [0.0, 0.5]}}
    jobs = jobs_of(database, submit_sweep(database, wanted))
    mine = claim_group_of(database, jobs[0].id, worker_id=process.worker_id)
    assert mine
    run_attempt(process, mine)
    for job in jobs:
        alone = client.get(f"/v1/jobs/{trained(run_of(INLINE, batch_size=8, l2=job.spec['l2']))}").json()
        found = client.get(f"/v1/jobs/{job.id}").json()
        assert found["weights"] == pytest.approx(alone["weights"], rel=1e-9)
        assert found["metrics"]["training"]["mean_squared_error"] == pytest.approx(
            alone["metrics"]["training"]["mean_squared_error"], rel=1e-9
        )


@pytest.mark.parametrize(
    ("weights", "pointer", "words"),
    [
        ([1.0, 2.0, -1.0, 1.0], "/dataset/weights/2", "0 or more"),
        ([0.0] * 4, "/dataset/weights", "no row would count"),
        ([1.0, 2.0], "/dataset/weights", "2 weights for 4 rows"),
        ([1.0, None, 1.0, 1.0], "/dataset/weights/1", "number"),
    ],
    ids=["negative", "all zero", "other length", "missing"],
)
def test_weights_that_cannot_be_are_refused(client: TestClient, weights: list[Any], pointer: str, words: str) -> None:
    wanted = request()
    answer = client.post("/v1/jobs", json=wanted | {"dataset": wanted["dataset"] | {"weights": weights}})
    [error] = problem_of(answer, 422)["errors"]
    assert error["pointer"] == pointer
    assert words in error["detail"]


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"weights": "m"}, "m"),
        ({"weights": "n", "features": ["a", "n"]}, "is a feature or the target"),
        ({"weights": "b", "features": ["a"]}, "below 0"),
        ({"weights": "z"}, "0 in every row"),
    ],
    ids=["no such column", "a feature", "negative", "all zero"],
)
def test_columns_that_cannot_weigh_rows_are_refused(client: TestClient, chosen: dict[str, Any], words: str) -> None:
    table = "\n".join(line + (",z" if number == 0 else ",0") for number, line in enumerate(TABLE.splitlines()))
    dataset = uploaded(client, table)
    answer = client.post("/v1/jobs", json=run_of({"id": dataset, "target": "y"} | chosen))
    [error] = problem_of(answer, 422)["errors"]
    assert error["pointer"] == "/dataset/weights"
    assert words in error["detail"]


COUNTING = COUNTS > 0
FIT = sm.WLS(Y[COUNTING], sm.add_constant(X)[COUNTING], weights=COUNTS[COUNTING] / COUNTS[COUNTING].mean())


@pytest.mark.parametrize("covariance", ["nonrobust", "HC3", "cluster:c"])
@pytest.mark.parametrize("memory", ["in one piece", "in parts"])
def test_statistics_of_weighted_rows_are_those_of_statsmodels(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch, covariance: str, memory: str
) -> None:
    """Rows of weight 0 are left out."""
    if memory == "in parts":
        monkeypatch.setattr(service.statistics.solutions, "MOST_WORK", 0)
    table = "\n".join(f"{line},{'c' if row == 0 else row % 5}" for row, line in enumerate(TABLE.splitlines()))
    dataset = {"id": uploaded(client, table), "features": ["a", "b"], "target": "y", "weights": "n"}
    job_id = trained(run_of(dataset, standardize=True))
    clusters = {"groups": (np.arange(1, ROWS + 1) % 5)[COUNTING]}
    kind = {"HC3": {"cov_type": "HC3"}, "cluster:c": {"cov_type": "cluster", "cov_kwds": clusters}}
    model = FIT.fit(**kind.get(covariance, {}))

    found = client.get(f"/v1/jobs/{job_id}/statistics", params={"covariance": covariance}).json()

    assert found["rows"] == COUNTING.sum()
    assert [row["estimate"] for row in found["coefficients"]] == pytest.approx(model.params, rel=1e-9)
    assert [row["standard_error"] for row in found["coefficients"]] == pytest.approx(model.bse, rel=1e-9)
    assert [found["log_likelihood"], found["r_squared"], found["durbin_watson"]] == pytest.approx(
        [model.llf, model.rsquared, sm.stats.durbin_watson(model.wresid)], rel=1e-9
    )


def test_influence_intervals_and_the_path_of_weighted_rows_leave_out_those_of_weight_0(
    client: TestClient, trained: Trained
) -> None:
    with_zeros = trained(run_of(INLINE))
    counted = {name: np.array(values)[COUNTING].tolist() for name, values in INLINE.items()}
    without = trained(run_of(counted))
    places = np.flatnonzero(COUNTING).tolist()
    one, other = (client.get(f"/v1/jobs/{job}/influence?top=100").json() for job in (with_zeros, without))
    assert one["press"] == pytest.approx(other["press"], rel=1e-12)
    assert [row["row"] for row in one["data"]] == [places[row["row"]] for row in other["data"]]
    one, other = (client.get(f"/v1/jobs/{job}/path").json() for job in (with_zeros, without))
    assert [point["gcv"] for point in one["points"]] == pytest.approx([point["gcv"] for point in other["points"]])
    asked = {"x": [[1.0, 2.0]], "interval": {"kind": "prediction"}}
    [row] = client.post(f"/v1/jobs/{with_zeros}/predict", json=asked).json()["data"]
    expected = FIT.fit().get_prediction([[1.0, 1.0, 2.0]]).summary_frame()
    assert row["lower"] == pytest.approx(expected["obs_ci_lower"][0], rel=1e-9)
    assert row["upper"] == pytest.approx(expected["obs_ci_upper"][0], rel=1e-9)


BACK = {"validation_fraction": 0.5, "test_fraction": 0.25, "record": {"steps": "none"}}


def test_weights_that_are_all_of_rows_held_back_are_refused(client: TestClient) -> None:
    wanted = request(validation_fraction=0.75)
    taken = divide_rows(4, TrainingSpec.model_validate(wanted["hyperparameters"]))[0]
    weights = np.where(np.isin(np.arange(4), taken), 0.0, 1.0).tolist()
    answer = client.post("/v1/jobs", json=wanted | {"dataset": wanted["dataset"] | {"weights": weights}})
    [error] = problem_of(answer, 422)["errors"]
    assert error["pointer"] == "/dataset/weights"
    assert "All rows left to train on" in error["detail"]


@pytest.mark.parametrize("in_parts", [False, True], ids=["in memory", "in parts"])
def test_a_worker_says_so_of_rows_that_nobody_looked_at_before(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch, in_parts: bool
) -> None:
    monkeypatch.setattr("service.jobs.training_data.MOST_READ", 0)
    monkeypatch.setattr(slope.engines.costs, "MOST_NUMBERS_AT_ONCE", 0 if in_parts else 10**9)
    taken = divide_rows(ROWS, TrainingSpec.model_validate(BACK))[0]
    lines = [f"{row % 7},{row % 3},{int(row not in taken)}" for row in range(ROWS)]
    dataset = {"id": uploaded(client, "a,y,n\n" + "\n".join(lines)), "target": "y", "weights": "n"}
    job = client.get(f"/v1/jobs/{trained(run_of(dataset, engine='reduced', **BACK) | {'predict': [1.0]})}").json()
    assert job["plan"]["streams"] is in_parts
    assert (job["status"], job["error"]["code"]) == ("failed", "no_row_counts")
    assert "weight of 0" in job["error"]["detail"]
