"""A table through real processes: sent by a client, read apart, kept where workers find it, learnt from by name."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from e2e.processes import slope
from e2e.services import Cluster
from slope.client import Client


def test_a_file_that_a_client_sends_is_learnt_from_by_a_worker(client: Client, tmp_path: Path) -> None:
    frame = load_diabetes(as_frame=True).frame
    file = tmp_path / "diabetes.csv.gz"
    frame.to_csv(file, index=False)

    dataset = client.upload(file, name="diabetes")
    settings = {"epochs": 500, "batch_size": "full", "learning_rate": 0.2, "standardize": True, "dtype": "float64"}
    chosen = {"id": dataset.id, "features": ["bmi", "s5"], "target": "target"}
    job = client.wait(client.submit({"dataset": chosen, "hyperparameters": settings}).id)

    x = np.column_stack([frame["bmi"], frame["s5"], np.ones(len(frame))])
    exact = np.linalg.lstsq(x, frame["target"].to_numpy(), rcond=None)[0]
    assert [*job.weights, job.bias] == pytest.approx(exact)
    assert list(client.dataset_rows(dataset.id))[-1] == pytest.approx(frame.iloc[-1].to_dict())
    client.delete(job.id)
    client.delete_dataset(dataset.id)
    assert dataset.id not in [each.id for each in client.datasets()]


def test_the_command_takes_every_option_that_a_table_may_need(cluster: Cluster, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "räume.csv"
    file.write_bytes("größe;ort;preis;stock\n1,5;Köln;2;?\n2,5;Bonn;inf;3\n".encode("windows-1252"))
    options = ["--header", "--delimiter", ";", "--decimal", ",", "--charset", "windows-1252", "--missing", "?"]
    options += ["--nulls", "zero", "--infinities", "zero", "--one-hot", "ort", "--text", "drop", "--index", "keep"]

    with slope(folder, "upload", str(file), *options, "--url", cluster.url) as upload:
        assert upload.wait() == 0, upload.log
    assert [column["name"] for column in json.loads(upload.output)["columns"]] == [
        "größe",
        "ort=Bonn",
        "ort=Köln",
        "preis",
        "stock",
    ]
