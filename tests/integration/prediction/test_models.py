"""A job's model over HTTP, in each of its shapes."""

import json
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import onnxruntime
import pytest
import safetensors.numpy
import skops.io
from fastapi.testclient import TestClient
from workbench import LECTURE, problem_of, request, submit

from service.store.database import Database

Trained = Callable[[dict[str, Any]], UUID]

TWO_FEATURES: dict[str, Any] = {
    "dataset": {"x": [[1.0, 0.5], [2.0, -0.5], [3.0, 1.0], [4.0, 0.0], [5.0, 2.0]], "y": [3.0, 2.5, 6.0, 6.5, 9.0]},
    "hyperparameters": {"epochs": 7, "learning_rate": 0.02, "batch_size": 2},
}
STANDARDIZED = TWO_FEATURES | {"hyperparameters": TWO_FEATURES["hyperparameters"] | {"standardize": True}}
POINTS = [[5.0, 1.0], [0.0, 0.0], [-3.5, 2.25]]

KINDS = {
    "json": "application/json",
    "safetensors": "application/octet-stream",
    "onnx": "application/onnx",
    "skops": "application/zip",
}


def get(client: TestClient, job_id: UUID, kind: str, **parameters: Any) -> bytes:
    answer = client.get(f"/v1/jobs/{job_id}/model", params=parameters, headers={"Accept": kind})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == kind
    assert answer.headers["vary"] == "Accept"
    return answer.content


def predicted(client: TestClient, job_id: UUID, **body: Any) -> list[float]:
    answer = client.post(f"/v1/jobs/{job_id}/predict", json={"x": POINTS} | body).json()
    return [each["after"] for each in answer["data"]]


@pytest.mark.parametrize("wanted", [TWO_FEATURES, STANDARDIZED], ids=["as it is", "standardized"])
def test_every_shape_of_a_model_predicts_the_same(client: TestClient, trained: Trained, wanted: dict[str, Any]) -> None:
    job_id = trained(wanted)
    for parameters in ({}, {"epoch": 2}):
        expected = pytest.approx(predicted(client, job_id, **parameters), rel=1e-6, abs=1e-6)
        document = json.loads(get(client, job_id, KINDS["json"], **parameters))
        tensors = safetensors.numpy.load(get(client, job_id, KINDS["safetensors"], **parameters))
        session = onnxruntime.InferenceSession(get(client, job_id, KINDS["onnx"], **parameters))
        regression = skops.io.loads(get(client, job_id, KINDS["skops"], **parameters))
        z = (np.array(POINTS) - tensors.get("means", 0.0)) / tensors.get("deviations", 1.0)

        assert np.array(POINTS) @ document["weights"] + document["bias"] == expected
        assert z @ tensors["weights"] + tensors["bias"] == expected
        assert session.run(["y"], {"x": np.array(POINTS, np.float32)})[0] == expected
        assert regression.predict(POINTS) == expected


def test_a_model_of_targets_far_from_zero_predicts_in_their_units_everywhere(
    client: TestClient, trained: Trained
) -> None:
    """float32 would round them away, so their mean was taken off before."""
    dataset = {"x": [1.0, 2.0, 3.0, 4.0, 5.0], "y": [1e9 + number for number in range(1, 6)]}
    hyperparameters = {"standardize": True, "epochs": 400, "learning_rate": 0.3, "batch_size": "full"}
    job_id = trained({"dataset": dataset, "hyperparameters": hyperparameters, "predict": [7.0]})
    job = client.get(f"/v1/jobs/{job_id}").json()

    assert job["warnings"] == []
    assert job["scaled"]["target_mean"] == 1e9 + 3
    assert job["weights"] == pytest.approx([1.0], rel=1e-5)
    assert job["bias"] == pytest.approx(1e9, abs=1e-4)
    assert job["analysis"]["exact"]["bias"] == pytest.approx(1e9, abs=1e-4)
    assert job["analysis"]["reached"]["r_squared"] == pytest.approx(1.0)
    expected = pytest.approx(1e9 + 7, abs=1e-3)
    assert client.get(f"/v1/jobs/{job_id}/predictions").json()["data"][0]["after"] == expected
    assert client.post(f"/v1/jobs/{job_id}/predict", json={"x": [7.0]}).json()["data"][0]["after"] == expected
    assert client.post(f"/v1/jobs/{job_id}/invocations", json={"inputs": [7.0]}).json()["predictions"] == [expected]
    assert skops.io.loads(get(client, job_id, KINDS["skops"])).predict([[7.0]]) == expected
    document = json.loads(get(client, job_id, KINDS["json"]))
    assert document["scaled"] == job["scaled"]
    assert float.fromhex(document["hexadecimal"]["scaled"]["target_mean"]) == 1e9 + 3
    tensors = safetensors.numpy.load(get(client, job_id, KINDS["safetensors"]))
    z = (7.0 - tensors["means"]) / tensors["deviations"]
    assert z @ tensors["weights"] + tensors["bias"] + tensors["target_mean"] == expected
    session = onnxruntime.InferenceSession(get(client, job_id, KINDS["onnx"]))
    assert session.run(["y"], {"x": np.array([[7.0]], np.float32)})[0] == np.float32(1e9 + 7), "its y is float32"


def test_a_step_of_centred_targets_is_replayed(client: TestClient, trained: Trained) -> None:
    dataset = {"x": [1.0, 2.0, 3.0], "y": [1e9 + 1, 1e9 + 2, 1e9 + 3]}
    settings = {"standardize": True, "epochs": 4, "engine": "eager"}
    told = {}
    for steps in ("all", "none"):
        record = {"steps": steps}
        job_id = trained({"dataset": dataset, "hyperparameters": settings | {"record": record}})
        told[steps] = client.get(f"/v1/jobs/{job_id}/epochs/2/steps").json()["data"]
    assert told["all"] == told["none"]


def test_json_has_the_job_s_own_numbers(client: TestClient, trained: Trained) -> None:
    job_id = trained(STANDARDIZED)
    job = client.get(f"/v1/jobs/{job_id}").json()

    model = json.loads(get(client, job_id, "application/json"))

    assert model["job_id"] == str(job_id)
    assert (model["dtype"], model["epoch"]) == ("float32", None)
    assert {name: model[name] for name in ("weights", "bias", "scaled")} == {
        name: job[name] for name in ("weights", "bias", "scaled")
    }
    assert [float.fromhex(each) for each in model["hexadecimal"]["scaled"]["weights"]] == job["scaled"]["weights"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_json_has_every_digit_of_an_engine_that_computes_in_doubles(
    client: TestClient, trained: Trained, dtype: str
) -> None:
    job_id = trained(request(engine="reduced", dtype=dtype, epochs=50, learning_rate=0.05))
    job = client.get(f"/v1/jobs/{job_id}").json()

    model = json.loads(get(client, job_id, "application/json"))
    tensors = safetensors.numpy.load(get(client, job_id, "application/octet-stream"))

    assert job["plan"]["engine"] == "reduced"
    assert (model["weights"], model["bias"], model["dtype"]) == (job["weights"], job["bias"], dtype)
    assert [float.fromhex(each) for each in model["hexadecimal"]["weights"]] == job["weights"]
    assert tensors["weights"].tolist() == np.array(job["weights"], dtype).tolist()


def test_the_model_after_an_epoch_has_that_epoch_s_weights(client: TestClient, trained: Trained) -> None:
    job_id = trained(LECTURE)

    for epoch in client.get(f"/v1/jobs/{job_id}/epochs").json()["data"]:
        model = json.loads(get(client, job_id, "application/json", epoch=epoch["epoch"]))
        assert (model["weights"], model["bias"], model["epoch"]) == (epoch["weights"], None, epoch["epoch"])


def test_the_model_after_an_epoch_that_was_not_recorded_is_replayed(client: TestClient, trained: Trained) -> None:
    sparse, full = (trained(request(epochs=9, record={"every": every})) for every in (5, 1))

    models = [json.loads(get(client, job_id, "application/json", epoch=3)) for job_id in (sparse, full)]

    assert models[0]["hexadecimal"] == models[1]["hexadecimal"]


@pytest.mark.parametrize("format", KINDS)
def test_a_link_can_name_the_shape(client: TestClient, trained: Trained, format: str) -> None:
    job_id = trained(LECTURE)

    answer = client.get(f"/v1/jobs/{job_id}/model", params={"format": format}, headers={"Accept": "text/html"})

    assert answer.headers["content-type"] == KINDS[format]
    if format != "json":
        assert answer.headers["content-disposition"] == f'attachment; filename="{job_id}.{format}"'


def test_a_job_without_a_model_says_so(client: TestClient, database: Database, trained: Trained) -> None:
    queued, done = submit(database, LECTURE), trained(LECTURE)

    assert problem_of(client.get(f"/v1/jobs/{queued}/model"), 409)["type"] == "/problems/job-has-no-model"
    missing = client.get(f"/v1/jobs/{done}/model", params={"epoch": 10})
    assert problem_of(missing, 404)["type"] == "/problems/epoch-not-found"
    assert problem_of(client.get(f"/v1/jobs/{UUID(int=0)}/model"), 404)["type"] == "/problems/job-not-found"
    nothing = client.get(f"/v1/jobs/{done}/model", headers={"Accept": "application/pdf"})
    assert all(kind in problem_of(nothing, 406)["detail"] for kind in KINDS.values())


@pytest.mark.parametrize(("format", "library"), [("onnx", "onnx"), ("skops", "skops.io")])
def test_a_library_that_is_not_installed_is_named(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch, format: str, library: str
) -> None:
    job_id = trained(LECTURE)
    monkeypatch.setitem(sys.modules, library, None)

    problem = problem_of(client.get(f"/v1/jobs/{job_id}/model", params={"format": format}), 501)

    assert problem["type"] == "/problems/export-not-installed"
    assert library in problem["detail"]
    assert "pip install -e '.[export]'" in problem["detail"]
