"""The loss as a surface: a formula that has the loss of the rows, and a grid where there is no formula."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from workbench import LECTURE, claimed, problem_of

from service.settings import Settings
from service.statistics.passes import TRIANGLE
from service.store.database import Database
from service.store.leases import passes

Trained = Callable[[dict[str, Any]], UUID]
Json = dict[str, Any]

random = np.random.default_rng(7)
X, NOISE = random.normal([3, -1, 0], [2, 0.5, 1], (40, 3)), random.normal(size=40)
Y = X @ [2.0, -3.0, 0.5] + 4 + NOISE
WEIGHTS = random.uniform(0.2, 3, 40)


def request(**spec: Any) -> Json:
    own = {"epochs": 30, "learning_rate": 0.02, "batch_size": "full", "dtype": "float64"}
    return {"dataset": {"x": X.tolist(), "y": Y.tolist()}, "hyperparameters": own | spec}


def surface(client: TestClient, job_id: UUID, **query: Any) -> Json:
    answer = client.get(f"/v1/jobs/{job_id}/surface", params=query)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def epoch_of(client: TestClient, job_id: UUID, epoch: int) -> Json:
    found: Json = client.get(f"/v1/jobs/{job_id}/epochs", params={"after": epoch - 1, "limit": 1}).json()["data"][0]
    return found


def ellipse(found: Json, level: float, points: int = 64) -> list[np.ndarray]:
    """Points whose loss the formula says to be `level`."""
    values, vectors = np.linalg.eigh(np.array(found["hessian"]))
    radii = np.sqrt(2 * (level - found["loss"]) / values)
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return [np.array(found["centre"]) + vectors @ (radii * [np.cos(angle), np.sin(angle)]) for angle in angles]


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize(("l2", "standardize"), [(0.0, False), (0.3, True)], ids=["plain", "ridge"])
def test_the_points_of_an_ellipse_have_its_loss(
    client: TestClient, trained: Trained, l2: float, standardize: bool, weighted: bool
) -> None:
    asked = request(l2=l2, standardize=standardize)
    if weighted:
        asked["dataset"]["weights"] = WEIGHTS.tolist()
    job_id = trained(asked)
    found = surface(client, job_id, x="weights_1", y="bias", epoch=4)
    record, scaled = epoch_of(client, job_id, 4), client.get(f"/v1/jobs/{job_id}").json()["scaled"]
    x = (X - scaled["means"]) / scaled["deviations"] if scaled else X
    y = Y - scaled["target_mean"] if scaled else Y

    assert found["kind"] == "exact"
    assert found["held"] == [record["weights"][1], record["bias"]]
    level = found["loss"] * 1.7 + 1
    for weight, bias in ellipse(found, level):
        weights = np.array(record["weights"])
        weights[1] = weight
        squares = np.square(x @ weights + bias - y)
        loss = np.average(squares, weights=WEIGHTS if weighted else None) + l2 * weights @ weights
        assert loss == pytest.approx(level, rel=1e-9)


def test_of_the_lecture_it_is_a_parabola_whose_centre_is_the_exact_weight(client: TestClient, trained: Trained) -> None:
    found = surface(client, trained(LECTURE))

    assert found["parameters"] == ["weights_0"]
    assert found["centre"] == pytest.approx([2.0])
    assert found["hessian"] == [[pytest.approx(28 / 3)]]
    assert found["eigenvalues"] == [pytest.approx(28 / 3)]
    assert found["loss"] == pytest.approx(0, abs=1e-20)


def test_before_training_the_others_are_held_as_they_began(client: TestClient, trained: Trained) -> None:
    found = surface(client, trained(request(initial_weights=[1.0, 2.0, 3.0])), x="weights_2", y="weights_0", epoch=-1)

    assert found["held"] == [3.0, 1.0]


def test_a_triangle_says_the_same_as_the_rows(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = trained(request())
    of_rows = surface(client, job_id)
    monkeypatch.setattr("service.statistics.surfaces.MOST_WORK", 0)
    of_triangle = surface(client, job_id)

    for name in ("centre", "eigenvalues", "loss"):
        assert of_triangle[name] == pytest.approx(of_rows[name], rel=1e-9)


def test_of_a_job_that_runs_nobody_waits_for_rows_that_no_worker_looks_at_yet(
    client: TestClient, app: FastAPI, settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = claimed(database, request()).job_id
    assert surface(client, job_id, epoch=-1)["kind"] == "exact"
    monkeypatch.setattr("service.statistics.surfaces.MOST_WORK", 0)
    app.state.settings = settings.model_copy(update={"statistics_numbers": 0})

    problem = problem_of(client.get(f"/v1/jobs/{job_id}/surface", params={"epoch": -1}), 409)

    assert problem["type"] == "/problems/job-not-finished"
    assert "surface" in problem["detail"]
    with database.reading() as session:
        assert passes.find_pass(session, job_id, TRIANGLE) is None


@pytest.mark.parametrize(
    "spec", [{"loss": "huber", "huber_delta": 0.7}, {"loss": "absolute_error"}, {"l1": 0.2, "l2": 0.1}], ids=str
)
def test_other_losses_are_a_grid_that_has_the_loss_of_the_rows(
    client: TestClient, trained: Trained, spec: Json
) -> None:
    job_id = trained(request(**spec))
    found = surface(client, job_id, x="weights_0", y="weights_1", epoch=3)
    record, grid = epoch_of(client, job_id, 3), found["grid"]

    assert (found["kind"], found["hessian"], grid["rows"]) == ("grid", None, 40)
    weights = np.array(record["weights"])
    weights[:2] = grid["x"][5], grid["y"][11]
    size = np.abs(X @ weights + record["bias"] - Y)
    expected = {
        "huber": np.where(size <= 0.7, 0.5 * size**2, 0.7 * (size - 0.35)).mean(),
        "absolute_error": size.mean(),
    }.get(spec.get("loss", ""), np.square(size).mean() + 0.2 * np.abs(weights).sum() + 0.1 * weights @ weights)
    assert grid["loss"][11][5] == pytest.approx(expected, rel=1e-9)
    for parameter, axis in zip(found["held"], (grid["x"], grid["y"]), strict=True):
        assert axis[0] < parameter < axis[-1]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [({"x": "weights_9"}, "/query/x"), ({"x": "bias", "y": "bias"}, "/query/y"), ({"x": "w"}, "/query/x")],
    ids=["unknown", "same", "malformed"],
)
def test_parameters_that_are_not_there_are_refused_at_their_place(
    client: TestClient, trained: Trained, query: Json, pointer: str
) -> None:
    problem = problem_of(client.get(f"/v1/jobs/{trained(request())}/surface", params=query), 422)

    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


def test_a_second_parameter_is_refused_where_there_is_one_alone(client: TestClient, trained: Trained) -> None:
    job_id = trained(request(frozen=["weights"]))

    problem = problem_of(client.get(f"/v1/jobs/{job_id}/surface", params={"y": "bias"}), 422)

    assert [fault["pointer"] for fault in problem["errors"]] == ["/query/y"]


@pytest.mark.parametrize("data", ["squares", "axis"])
def test_a_loss_beyond_all_doubles_is_told(client: TestClient, trained: Trained, data: str) -> None:
    spec = {"epochs": 1, "dtype": "float64", "learning_rate": 0.1}
    x, spec = ([1e200, 2e200], spec) if data == "squares" else ([1.0, 2.0], spec | {"loss": "huber", "l1": 0.1})
    start = {"initial_weights": [1.7e308], "learning_rate": 1e300} if data == "axis" else {}
    job_id = trained({"dataset": {"x": x, "y": [1.0, 2.0]}, "hyperparameters": spec | start})

    problem = problem_of(client.get(f"/v1/jobs/{job_id}/surface", params={"epoch": -1}), 422)

    assert problem["type"] == "/problems/out-of-range"


def test_an_epoch_that_is_not_there_is_not_found(client: TestClient, trained: Trained) -> None:
    problem_of(client.get(f"/v1/jobs/{trained(request())}/surface", params={"epoch": 999}), 404)


def test_at_an_epoch_whose_record_was_not_kept_the_others_are_held_as_at_the_one_before(
    client: TestClient, trained: Trained
) -> None:
    job_id = trained(request(epochs=8, record={"every": 3}))
    assert [surface(client, job_id, epoch=epoch)["epoch"] for epoch in (0, 2, 4, 7)] == [0, 0, 3, 7]
    assert surface(client, job_id)["epoch"] == 7


def test_a_bias_that_is_frozen_is_part_of_the_loss(client: TestClient, trained: Trained) -> None:
    job_id = trained(
        {
            "dataset": {"x": [1, 2, 3], "y": [3, 5, 7]},
            "hyperparameters": {"epochs": 2, "learning_rate": 0.01, "frozen": ["bias"], "initial_bias": 1},
        }
    )

    assert surface(client, job_id)["centre"] == pytest.approx([2.0])
