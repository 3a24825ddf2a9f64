"""The asynchronous client and the estimator on a real service, and files that other tools read."""

import asyncio
from pathlib import Path
from typing import Any

import onnxruntime
import pandas as pd
import pyarrow.ipc
import pytest
import safetensors.numpy

from e2e.jobs import request
from e2e.services import Serve
from slope.client import AsyncClient
from slope.client.estimator import SlopeRegressor


def test_both_clients_get_the_same(serve: Serve) -> None:
    async def ask(wanted: dict[str, Any]) -> list[Any]:
        async with AsyncClient(serve.url) as client:
            job = await client.wait((await client.submit(wanted)).id)
            epochs = [epoch async for epoch in client.epochs(job.id)]
            return [job.id, epochs, await client.predict(job.id, [1.0]), await client.model(job.id)]

    job_id, epochs, predictions, model = asyncio.run(ask(request()))

    with serve.client as client:
        assert client.job(job_id).status == "succeeded"
        assert list(client.epochs(job_id)) == client.curve(job_id, points=10) == epochs
        assert client.predict(job_id, [1.0]) == predictions
        assert client.model(job_id) == model


def test_the_estimator_trains_on_the_service(serve: Serve) -> None:
    regressor = SlopeRegressor(url=serve.url, epochs=200, batch_size="full", learning_rate=0.1, dtype="float64")

    regressor.fit([[1.0], [2.0], [3.0]], [3.0, 5.0, 7.0])

    assert regressor.predict([[10.0]]) == pytest.approx([21.0], rel=1e-3)
    with serve.client as client:
        assert client.model(regressor.job_.id).weights == regressor.coef_.tolist()
        assert len(list(client.epochs(regressor.job_.id))) == regressor.n_iter_ == 200


def test_files_are_read_by_the_tools_they_are_for(serve: Serve, tmp_path: Path) -> None:
    with serve.client as client:
        job = client.wait(client.submit(request()).id)
        epochs = list(client.epochs(job.id))
        client.save_epochs(job.id, tmp_path / "epochs.csv")
        client.save_steps(job.id, 0, tmp_path / "steps.arrow")
        client.save_model(job.id, tmp_path / "model.safetensors")
        client.save_model(job.id, tmp_path / "model.onnx", epoch=2)

    assert pd.read_csv(tmp_path / "epochs.csv")["loss"].tolist() == [epoch.loss for epoch in epochs]
    steps = pyarrow.ipc.open_stream((tmp_path / "steps.arrow").read_bytes()).read_all()
    assert steps["rows"].to_pylist() == [[0, 1, 2, 3]]
    assert safetensors.numpy.load_file(tmp_path / "model.safetensors")["weights"].tolist() == job.weights
    assert [each.name for each in onnxruntime.InferenceSession(tmp_path / "model.onnx").get_inputs()] == ["x"]
