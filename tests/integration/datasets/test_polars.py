"""Tables as polars writes them come in as they are, and what Slope writes, polars reads."""

import io
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient
from workbench import LECTURE

FRAME = pl.DataFrame(
    {
        "rooms": pl.Series([1, 2, 3, 4], dtype=pl.Int32),
        "area": pl.Series([30.5, None, 71.25, 90.0], dtype=pl.Float32),
        "balcony": [True, False, True, True],
        "city": pl.Series(["Ulm", "Bonn", "Ulm", "Bonn"], dtype=pl.Categorical),
        "rent": [400.0, 610.0, 833.5, 1010.0],
    }
)
COLUMNS = ["rooms", "area", "balcony", "city=Bonn", "city=Ulm", "rent"]
WRITERS: dict[str, Callable[[pl.DataFrame, io.BytesIO], Any]] = {
    "text/csv": lambda frame, file: frame.write_csv(file),
    "application/vnd.apache.parquet": lambda frame, file: frame.write_parquet(file),
    "application/vnd.apache.arrow.stream": lambda frame, file: frame.write_ipc_stream(file),
    "application/x-ndjson": lambda frame, file: frame.write_ndjson(file),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_frame_of_polars_comes_in_by_every_format(client: TestClient, kind: str) -> None:
    file = io.BytesIO()
    WRITERS[kind](FRAME, file)

    query = {"one_hot": "city", "nulls": "mean"}
    answer = client.post("/v1/datasets", params=query, content=file.getvalue(), headers={"Content-Type": kind})
    assert answer.status_code == 201, answer.text
    rows = client.get(f"/v1/datasets/{answer.json()['id']}/rows").json()["data"]
    assert set(rows[0]) == set(COLUMNS)
    assert [row["area"] for row in rows] == [30.5, pytest.approx((30.5 + 71.25 + 90.0) / 3), 71.25, 90.0]
    assert [(row["rooms"], row["balcony"], row["city=Ulm"], row["rent"]) for row in rows] == [
        (1.0, 1.0, 1.0, 400.0),
        (2.0, 0.0, 0.0, 610.0),
        (3.0, 1.0, 1.0, 833.5),
        (4.0, 1.0, 0.0, 1010.0),
    ]


@pytest.mark.parametrize(
    ("kind", "read"), [("text/csv", pl.read_csv), ("application/vnd.apache.arrow.stream", pl.read_ipc_stream)]
)
def test_polars_reads_the_epochs_of_a_job(
    client: TestClient, trained: Callable[[dict[str, Any]], Any], kind: str, read: Callable[[bytes], pl.DataFrame]
) -> None:
    url = f"/v1/jobs/{trained(LECTURE)}/epochs"
    epochs = client.get(url).json()["data"]
    frame = read(client.get(url, headers={"Accept": kind}).content)
    assert frame["epoch"].to_list() == [each["epoch"] for each in epochs]
    assert frame["loss"].to_list() == [each["loss"] for each in epochs]
