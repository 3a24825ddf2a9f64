"""Predictions for points and for whole datasets, in every format, held against scikit-learn and the job's records."""

import csv
import io
import json
import math
import re
import tracemalloc
from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow.ipc
import pyarrow.parquet
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_diabetes
from sklearn.metrics import mean_squared_error, r2_score
from workbench import LECTURE, change, problem_of, storage, submit

from service.api.routes.predictions import _document, _scored
from service.data import numbers
from service.data.new_datasets import NewDataset, ensure_stored
from service.prediction import datasets as predicted_datasets
from service.prediction.datasets import DatasetToPredict, Scoring
from service.store.database import Database
from slope.arrays import Array
from slope.tabular.stored import encode
from slope.tabular.summary import summarize
from slope.trained import TrainedModel

Trained = Callable[[dict[str, Any]], UUID]
Json = dict[str, Any]

KINDS = {
    "json": "application/json",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
SPEC = {"epochs": 20, "learning_rate": 0.1, "batch_size": "full", "standardize": True}


def add_dataset(database: Database, columns: dict[str, Array]) -> UUID:
    names, values = [*columns], [*columns.values()]
    table = NewDataset(storage(), summarize(names, values), lambda: encode(names, values), name=None, is_inline=False)
    with ensure_stored(database, table):
        return change(database, table.adopt)


@pytest.fixture
def table() -> dict[str, Array]:
    """442 patients: ten measurements, and how their diabetes went on."""
    bunch = load_diabetes(scaled=False)
    return {**dict(zip(bunch.feature_names, bunch.data.T.copy(), strict=True)), "progression": bunch.target}


def decoded(answer: Response, format: str) -> list[Json]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].partition(";")[0] == KINDS[format]
    assert answer.headers["vary"] == "Accept"
    if format == "json":
        rows: list[Json] = answer.json()["data"]
        return rows
    if format == "ndjson":
        return [json.loads(line) for line in answer.text.splitlines()]
    if format == "csv":
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(io.StringIO(answer.text))]
    if format == "arrow":
        return list(pyarrow.ipc.open_stream(answer.content).read_all().to_pylist())
    return list(pyarrow.parquet.read_table(io.BytesIO(answer.content)).to_pylist())


def predict(client: TestClient, job_id: UUID, format: str = "json", **body: Any) -> Response:
    return client.post(f"/v1/jobs/{job_id}/predict", json=body, headers={"Accept": KINDS[format]})


# datasets


def test_a_dataset_is_predicted_the_same_in_every_format(
    client: TestClient, database: Database, trained: Trained, table: dict[str, Array]
) -> None:
    dataset = {"id": str(add_dataset(database, table))}
    job_id = trained({"dataset": dataset, "hyperparameters": SPEC})
    points = np.array([table[name] for name in table if name != "progression"]).T

    rows = decoded(predict(client, job_id, dataset=dataset), "json")
    one_by_one = [each["after"] for each in decoded(predict(client, job_id, x=points[:50].tolist()), "json")]

    assert [row["row"] for row in rows] == list(range(442))
    assert [row["after"] for row in rows[:50]] == pytest.approx(one_by_one, rel=1e-6)
    assert {row["before"] for row in rows} == {0.0}
    assert [row["y"] for row in rows] == table["progression"].tolist()
    assert [row["residual"] for row in rows] == [row["y"] - row["after"] for row in rows]
    for format in KINDS:
        assert decoded(predict(client, job_id, format, dataset=dataset), format) == rows


def test_the_fit_is_that_of_scikit_learn(
    client: TestClient, database: Database, trained: Trained, table: dict[str, Array]
) -> None:
    dataset = {"id": str(add_dataset(database, table))}
    job_id = trained({"dataset": dataset, "hyperparameters": SPEC})

    answer = predict(client, job_id, dataset=dataset).json()

    assert (answer["rows"], answer["next"]) == (442, None)
    for when in ("before", "after"):
        predictions = [row[when] for row in answer["data"]]
        assert answer["fit"][when] == {
            "mean_squared_error": pytest.approx(mean_squared_error(table["progression"], predictions), rel=1e-12),
            "r_squared": pytest.approx(r2_score(table["progression"], predictions), rel=1e-12),
        }
    parquet = predict(client, job_id, "parquet", dataset=dataset).content
    assert json.loads(pyarrow.parquet.read_metadata(io.BytesIO(parquet)).metadata[b"fit"]) == answer["fit"]
    assert answer["fit"]["after"]["r_squared"] > 0.5 > 0 > answer["fit"]["before"]["r_squared"]


def test_an_epoch_s_model_predicts_a_dataset(client: TestClient, database: Database, trained: Trained) -> None:
    dataset = {"id": str(add_dataset(database, {"x": np.array([4.0, 0.5])}))}
    job_id = trained(LECTURE)

    for epoch in client.get(f"/v1/jobs/{job_id}/epochs").json()["data"]:
        rows = decoded(predict(client, job_id, dataset=dataset, epoch=epoch["epoch"]), "json")
        assert [row["after"] for row in rows] == [4 * epoch["weights"][0], 0.5 * epoch["weights"][0]]


def test_columns_are_found_by_the_names_of_the_job_or_by_others(
    client: TestClient, database: Database, trained: Trained
) -> None:
    a, b = np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0, 2.0])
    train = add_dataset(database, {"a": a, "b": b, "sum": a + b})
    other = add_dataset(database, {"q": b, "sum": a + b, "p": a})
    plain = add_dataset(database, {"b": b, "a": a})
    job_id = trained({"dataset": {"id": str(train)}, "hyperparameters": {"epochs": 3, "dtype": "float64"}})

    expected = decoded(predict(client, job_id, dataset={"id": str(train)}), "json")
    renamed = decoded(predict(client, job_id, dataset={"id": str(other), "features": ["p", "q"]}), "json")
    blind = predict(client, job_id, dataset={"id": str(plain)}).json()
    aimed = decoded(predict(client, job_id, dataset={"id": str(train), "target": "a"}), "json")

    assert renamed == expected
    assert blind["fit"] is None
    assert blind["data"] == [{name: row[name] for name in ("row", "before", "after")} for row in expected]
    assert [row["y"] for row in aimed] == a.tolist()


def upload(client: TestClient, body: str) -> str:
    answer = client.post("/v1/datasets?one_hot=city", content=body, headers={"Content-Type": "text/csv"})
    return str(answer.json()["id"])


def test_a_category_that_new_rows_lack_is_0_in_all_of_them(client: TestClient, trained: Trained) -> None:
    train = upload(client, "city,rooms,rent\nRome,2,900\nOslo,3,1500\nRome,1,700\nBern,2,1300\n")
    job_id = trained({"dataset": {"id": train, "target": "rent"}, "hyperparameters": {"epochs": 9, "dtype": "float64"}})
    whole = [row["after"] for row in decoded(predict(client, job_id, dataset={"id": train}), "json")]

    few = upload(client, "city,rooms,rent\nRome,2,900\nRome,1,700\n")
    assert [row["after"] for row in decoded(predict(client, job_id, dataset={"id": few}), "json")] == whole[::2]
    blind = upload(client, "rooms,city\n3,Oslo\n")
    assert [row["after"] for row in decoded(predict(client, job_id, dataset={"id": blind}), "json")] == whole[1:2]


@pytest.mark.parametrize("rows", ["Rome,2\nParis,4\n", "Rome,2\nOslo,3\nParis,4\n", "Paris,4\n"])
def test_a_category_that_the_job_has_not_seen_is_told(client: TestClient, trained: Trained, rows: str) -> None:
    train = upload(client, "city,rooms,rent\nRome,2,900\nOslo,3,1500\n")
    job_id = trained({"dataset": {"id": train, "target": "rent"}, "hyperparameters": {"epochs": 2}})

    problem = problem_of(predict(client, job_id, dataset={"id": upload(client, f"city,rooms\n{rows}")}), 422)

    assert "not seen: city=Paris" in problem["detail"]


def test_a_category_that_the_job_left_out_is_no_unseen_one(client: TestClient, trained: Trained) -> None:
    train = upload(client, "city,rooms,rent\nRome,2,900\nOslo,3,1500\n")
    chosen = {"id": train, "features": ["city=Rome", "rooms"], "target": "rent"}
    job_id = trained({"dataset": chosen, "hyperparameters": {"epochs": 2}})

    assert len(decoded(predict(client, job_id, dataset={"id": train}), "json")) == 2


@pytest.mark.parametrize("body", ["city,rooms\nRome,2\nParis,4\n", "rooms\n2\n"])
def test_a_category_is_not_taken_for_absent_where_others_are_not_known(
    client: TestClient, trained: Trained, body: str
) -> None:
    train = upload(client, "city,rooms,rent\nRome,2,900\nOslo,3,1500\n")
    job_id = trained({"dataset": {"id": train, "target": "rent"}, "hyperparameters": {"epochs": 2}})
    query = "?one_hot=city" if "city" in body else ""
    new = client.post(f"/v1/datasets{query}", content=body, headers={"Content-Type": "text/csv"}).json()["id"]

    assert "city=Oslo" in problem_of(predict(client, job_id, dataset={"id": new}), 422)["detail"]


@pytest.mark.parametrize(
    ("reference", "pointer"),
    [
        ({"id": str(UUID(int=0))}, "/dataset/id"),
        ({"id": "mine"}, "/dataset/id"),
        ({}, "/dataset/id"),
        ({"features": ["a"]}, "/dataset/features"),
        ({"features": ["a", "z"]}, "/dataset/features/1"),
        ({"target": "z"}, "/dataset/target"),
    ],
)
def test_a_dataset_that_does_not_fit_is_pointed_at(
    client: TestClient, database: Database, trained: Trained, reference: Json, pointer: str
) -> None:
    a = np.array([1.0, 2.0, 3.0])
    dataset = {"id": str(add_dataset(database, {"a": a, "b": -a, "sum": a * 0.0}))}
    job_id = trained({"dataset": dataset, "hyperparameters": {"epochs": 2}})

    wanted = reference if not reference or "id" in reference else dataset | reference
    problem = problem_of(predict(client, job_id, dataset=wanted), 422)

    assert [error["pointer"] for error in problem["errors"]] == [pointer]


def test_a_dataset_without_the_job_s_columns_is_refused(
    client: TestClient, database: Database, trained: Trained
) -> None:
    job_id = trained(LECTURE)
    named = add_dataset(database, {"height": np.array([1.0])})
    large = add_dataset(database, {"x": np.array([1e300])})

    for dataset_id, sentence in ((named, "has no column x"), (large, "too large for a model of float32")):
        problem = problem_of(predict(client, job_id, "csv", dataset={"id": str(dataset_id)}), 422)
        assert problem["errors"][0]["pointer"] == "/dataset"
        assert sentence in problem["detail"]


def test_a_column_that_was_left_out_for_its_words_is_told_with_the_first_of_them(
    client: TestClient, trained: Trained
) -> None:
    table = {"content": b"z,x,y\n1,3 kg,w\n", "headers": {"content-type": "text/csv"}}
    left = {"id": client.post("/v1/datasets?text=drop", **table).json()["id"]}
    job_id, unit = trained(LECTURE), "row 0: leave signs and units to the column's name"
    for chosen, sentence in (
        ({}, f"no column x. .*{unit}"),
        ({"features": ["z"], "target": "y"}, r"is in row 0\. Make"),
    ):
        detail = problem_of(predict(client, job_id, dataset=left | chosen), 422)["detail"]
        assert re.search(sentence, detail)


def test_rows_with_names_are_told_the_call_that_takes_them(client: TestClient, trained: Trained) -> None:
    job_id = trained(LECTURE)
    for rows, pointer in (([{"x": 4.0}], "/x/0"), ({"x": [4.0]}, "/x")):
        fault = problem_of(client.post(f"/v1/jobs/{job_id}/predict", json={"x": rows}), 422)["errors"][0]
        assert (fault["pointer"], "/invocations" in fault["detail"]) == (pointer, True)


def test_a_request_has_points_or_a_dataset(client: TestClient, database: Database, trained: Trained) -> None:
    job_id = trained(LECTURE)
    dataset = {"id": str(add_dataset(database, {"x": np.array([4.0])}))}

    for body, pointer in (({}, "/x"), ({"epoch": 1}, "/x"), ({"x": [4.0], "dataset": dataset}, "/dataset")):
        assert problem_of(predict(client, job_id, **body), 422)["errors"][0]["pointer"] == pointer
    assert problem_of(predict(client, job_id, x=[4.0, "5"]), 422)["errors"][0]["pointer"] == "/x/1"
    assert problem_of(predict(client, submit(database), dataset=dataset), 409)["type"] == "/problems/job-has-no-model"
    assert problem_of(predict(client, job_id, dataset=dataset, epoch=10), 404)["type"] == "/problems/epoch-not-found"


def test_a_dataset_whose_numbers_are_gone_is_a_problem_from_the_start(
    client: TestClient, database: Database, trained: Trained
) -> None:
    job_id, dataset_id = trained(LECTURE), add_dataset(database, {"x": np.array([4.0, 5.0, 6.0, 7.0])})
    numbers.delete_numbers(storage(), dataset_id)

    answer = predict(client, job_id, dataset={"id": str(dataset_id)})

    assert answer.status_code >= 500
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_dataset_of_any_length_is_predicted_in_the_same_memory(
    database: Database, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slope.tabular.stored.NUMBERS_AT_ONCE", 4000)
    monkeypatch.setattr(predicted_datasets, "_ROWS_AT_ONCE", 500)
    job_id = trained(LECTURE)

    def peak(rows: int) -> int:
        numbers = np.arange(float(rows))
        reference = DatasetToPredict(id=add_dataset(database, {"x": numbers, "y": numbers}))
        tracemalloc.start()
        sent = sum(map(len, _document(predicted_datasets.score_dataset(database, storage(), job_id, reference, None))))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert sent > 50 * rows
        return most

    assert peak(40_000) < 1.3 * peak(8_000)


doubles = arrays(np.float64, st.integers(0, 30), elements=st.floats(allow_nan=False, allow_infinity=False))


@settings(deadline=None)
@given(x=doubles, cut=st.integers(0, 30), format=st.sampled_from(["json", "ndjson"]))
def test_any_number_comes_back_from_json_to_the_bit(x: Array, cut: int, format: Any) -> None:
    """A model that leaves x as it is: what is predicted is any double there is."""
    same = TrainedModel("job", np.ones(1), None, "float64", "y")
    parts = iter([np.stack([part, part], axis=1) for part in (x[:cut], x[cut:])])
    content = b"".join(_scored(Scoring(same, same, parts, has_target=True), format))

    rows = json.loads(content)["data"] if format == "json" else [json.loads(line) for line in content.splitlines()]

    assert [row["row"] for row in rows] == list(range(len(x)))
    assert [row["y"].hex() for row in rows] == [each.hex() for each in x.tolist()]
    assert [row["after"] for row in rows] == x.tolist()
    assert {row["residual"] for row in rows} <= {0.0}


# points


@pytest.mark.parametrize("format", [each for each in KINDS if each != "json"])
def test_points_are_predicted_the_same_in_every_format(client: TestClient, trained: Trained, format: str) -> None:
    job_id = trained(LECTURE)
    points = [4.0, -0.0, 1e-300, math.pi]
    items = decoded(predict(client, job_id, x=points), "json")

    rows = decoded(predict(client, job_id, format, x=points), format)

    if format == "ndjson":
        assert rows == items
    else:
        assert rows == [{"x_0": each["x"][0], "before": each["before"], "after": each["after"]} for each in items]
