"""Clients that others wrote ask a real server: Triton's by the Open Inference Protocol, and MLflow's."""

from collections.abc import Iterator
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import pandas as pd
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from e2e.jobs import request
from e2e.services import Serve
from slope import __version__

ROWS = np.array([[4.0], [0.5], [-2.0]], np.float32)


@pytest.fixture
def triton(serve: Serve) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(serve.url.removeprefix("http://")) as client:
        yield client


@pytest.fixture
def job(serve: Serve) -> dict[str, Any]:
    with serve.client as client:
        return client.wait(client.submit(request()).id).model_dump(mode="json")


def test_triton_s_client_finds_the_server_and_the_model(triton: InferenceServerClient, job: dict[str, Any]) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.get_server_metadata()["name"] == "slope"
    assert triton.is_model_ready(job["id"])
    metadata = triton.get_model_metadata(job["id"])
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 1]}]
    assert metadata["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [-1]}]


@pytest.mark.parametrize("binary_in", [False, True])
@pytest.mark.parametrize("binary_out", [False, True])
def test_triton_s_client_gets_our_predictions(
    serve: Serve, triton: InferenceServerClient, job: dict[str, Any], binary_in: bool, binary_out: bool
) -> None:
    tensor = InferInput("x", list(ROWS.shape), "FP32")
    tensor.set_data_from_numpy(ROWS, binary_data=binary_in)

    answer = triton.infer(
        job["id"], [tensor], outputs=[InferRequestedOutput("y", binary_data=binary_out)], request_id="7"
    )

    with serve.client as client:
        ours = [each.after for each in client.predict(job["id"], ROWS.tolist())]
    assert answer.as_numpy("y").dtype == np.float32
    assert answer.as_numpy("y").tolist() == ours
    assert answer.get_response()["id"] == "7"


def test_triton_s_client_is_told_what_is_wrong(triton: InferenceServerClient, job: dict[str, Any]) -> None:
    tensor = InferInput("x", [3, 2], "FP32")
    tensor.set_data_from_numpy(np.repeat(ROWS, 2, axis=1))
    with pytest.raises(InferenceServerException, match="A row has 2 numbers, the model 1 feature") as told:
        triton.infer(job["id"], [tensor])
    assert told.value.status() == "422"


@pytest.fixture
def mlflow(serve: Serve, job: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    with catch_warnings():
        simplefilter("ignore")  # while it is imported it warns of its own annotations
        from mlflow.pyfunc.scoring_server.client import ScoringServerClient
    host, _, port = serve.url.removeprefix("http://").partition(":")
    return ScoringServerClient(host, f"{port}/v1/jobs/{job['id']}")


@pytest.mark.parametrize(
    "rows",
    [pd.DataFrame(ROWS, columns=["x"]).assign(city="Bonn"), ROWS],
    ids=["a data frame with a column of words", "an array"],
)
def test_mlflow_s_client_gets_our_predictions(serve: Serve, mlflow: Any, job: dict[str, Any], rows: Any) -> None:
    mlflow.wait_server_ready()
    assert mlflow.get_version() == __version__
    found = mlflow.invoke(rows).get_predictions(predictions_format="ndarray")
    with serve.client as client:
        ours = [each.after for each in client.predict(job["id"], ROWS.tolist())]
    assert found.tolist() == ours


def test_mlflow_s_client_is_told_what_is_wrong(mlflow: Any) -> None:
    with pytest.raises(Exception, match=r"error code 422.*There must be one column x"):
        mlflow.invoke(pd.DataFrame({"hours": [1.0]}))
