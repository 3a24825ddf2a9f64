"""The whole service with its datasets in an S3, by S3's own protocol."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e2e.services import Broker, Cluster, ObjectStore
from slope.answers.jobs import JobView
from slope.client import Client

Json = dict[str, Any]
LINE = b"hours,score\n1,52.5\n2,57\n3,61.5\n4,66\n"


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, server_folder: Path, object_store: ObjectStore, migrated: Any
) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("s3")
    with migrated("postgresql") as url, Cluster(folder, url, Broker(folder, server_folder / "s3.sock")) as cluster:
        cluster.environment |= object_store.environment | {"SLOPE_STORAGE_URL": object_store.prefix("service")}
        cluster.environment |= {"SLOPE_TRIANGLE_COLUMNS": "0"}  # or no job would read the rows of its data
        yield cluster.start(workers=1)


@pytest.fixture
def client(cluster: Cluster) -> Iterator[Client]:
    with cluster.client as client:
        yield client


def upload(cluster: Cluster, content: bytes, format: str) -> str:
    answer = httpx2.post(f"{cluster.url}/v1/datasets?format={format}", content=content, timeout=60)
    assert answer.status_code == 201, answer.text
    dataset_id: str = answer.json()["id"]
    return dataset_id


def train(client: Client, wanted: Json) -> JobView:
    return client.wait(client.submit(wanted).id)


def objects(store: ObjectStore) -> str:
    """The list of all objects, as S3 writes it."""
    return httpx2.get(f"{store.url}/slope-test", timeout=60).text


def test_a_table_is_kept_learnt_from_and_deleted_in_the_bucket(
    cluster: Cluster, client: Client, object_store: ObjectStore
) -> None:
    dataset_id = upload(cluster, LINE, "csv")
    assert f"service/{dataset_id}.parquet" in objects(object_store)

    run = {"epochs": 3000, "batch_size": "full", "learning_rate": 0.1, "dtype": "float64"}
    job = train(client, {"dataset": {"id": dataset_id}, "hyperparameters": run})

    assert job.weights == pytest.approx([4.5])
    assert job.bias == pytest.approx(48.0)
    answer = httpx2.post(f"{cluster.url}/v1/jobs/{job.id}/predict", json={"dataset": {"id": dataset_id}}, timeout=60)
    assert answer.json()["fit"]["after"]["r_squared"] == pytest.approx(1.0)
    client.delete(job.id)
    assert httpx2.delete(f"{cluster.url}/v1/datasets/{dataset_id}", timeout=60).status_code == 204
    assert dataset_id not in objects(object_store)


def test_large_data_is_reduced_from_the_bucket_in_partitions(cluster: Cluster, client: Client) -> None:
    rows, features = 1_700_000, 9
    numbers = np.arange(rows, dtype=float)
    columns = {f"c{place}": (numbers * (place + 3)) % (101 + place) for place in range(features)}
    file = io.BytesIO()
    pq.write_table(pa.table(columns | {"y": 2.0 * columns["c0"] - columns["c3"] + 5.0}), file)
    dataset_id = upload(cluster, file.getvalue(), "parquet")

    run = {"engine": "reduced", "epochs": 5, "batch_size": "full", "learning_rate": 1.0, "optimizer": {"name": "lbfgs"}}
    job = train(client, {"dataset": {"id": dataset_id}, "hyperparameters": run})

    assert job.status == "succeeded", job
    assert job.progress.partitions_done == job.plan.partitions == 2
    assert job.weights == pytest.approx([2.0, 0, 0, -1.0, 0, 0, 0, 0, 0], abs=1e-6)
    assert job.bias == pytest.approx(5.0, abs=1e-4)
