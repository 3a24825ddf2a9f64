"""A client that others wrote for the Open Inference Protocol asks a real server: Triton's."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from e2e.jobs import request
from e2e.services import Serve

ROWS = np.array([[4.0], [0.5], [-2.0]], np.float32)


@pytest.fixture
def triton(serve: Serve) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(serve.url.removeprefix("http://")) as client:
        yield client


@pytest.fixture
def job(serve: Serve) -> dict[str, Any]:
    with serve.client as client:
        job: dict[str, Any] = client.wait(client.submit(request())["id"], timeout=60)
    return job


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
        ours = [each["after"] for each in client.predict(job["id"], ROWS.tolist())]
    assert answer.as_numpy("y").dtype == np.float32
    assert answer.as_numpy("y").tolist() == ours
    assert answer.get_response()["id"] == "7"


def test_triton_s_client_is_told_what_is_wrong(triton: InferenceServerClient, job: dict[str, Any]) -> None:
    tensor = InferInput("x", [3, 2], "FP32")
    tensor.set_data_from_numpy(np.repeat(ROWS, 2, axis=1))
    with pytest.raises(InferenceServerException, match="A row has 2 numbers, the model 1 features") as told:
        triton.infer(job["id"], [tensor])
    assert told.value.status() == "422"
