"""Statistics of jobs over HTTP, from inline rows, stored data and its triangle, held against statsmodels."""

import csv
import io
from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import statsmodels.api as sm
from fastapi.testclient import TestClient
from integration.datasets.test_datasets import uploaded
from integration.prediction.test_predictions import add_dataset
from sklearn.datasets import load_diabetes
from workbench import LECTURE, problem_of, submit

from service.errors import OutOfRange
from service.statistics.solutions import translated_fit_errors
from service.store.database import Database
from slope.arrays import Array

Trained = Callable[[dict[str, Any]], UUID]
Json = dict[str, Any]

NEAR = 1e-9


def table(rows: int, seed: int = 0) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    a, b = random.normal(5, 2, rows), random.normal(0, 0.1, rows)
    return {"a": a, "b": b, "y": 3 * a - 2 * b + random.normal(size=rows) * (1 + abs(a))}


def request(dataset: Json, **spec: Any) -> Json:
    own = {"epochs": 50, "learning_rate": 0.1, "batch_size": "full", "standardize": True, "dtype": "float64"}
    return {"dataset": dataset, "hyperparameters": own | spec}


def statistics_of(client: TestClient, job_id: UUID, **query: Any) -> Json:
    answer = client.get(f"/v1/jobs/{job_id}/statistics", params=query)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def agrees(found: Json, model: Any) -> None:
    rows = found["coefficients"]
    for name, expected in (
        *(("estimate", model.params), ("standard_error", model.bse), ("t", model.tvalues), ("p", model.pvalues)),
        *(("lower", model.conf_int()[:, 0]), ("upper", model.conf_int()[:, 1])),
    ):
        assert [row[name] for row in rows] == pytest.approx(expected, rel=NEAR)
    assert found["f"]["value"] == pytest.approx(model.fvalue, rel=NEAR)


def test_rows_of_the_request_have_the_statistics_of_statsmodels(client: TestClient, trained: Trained) -> None:
    bunch = load_diabetes(scaled=False)
    job_id = trained(request({"x": bunch.data.tolist(), "y": bunch.target.tolist()}))

    found = statistics_of(client, job_id)

    model = sm.OLS(bunch.target, sm.add_constant(bunch.data)).fit()
    agrees(found, model)
    assert found["durbin_watson"] == pytest.approx(sm.stats.durbin_watson(model.resid), rel=NEAR)
    job = client.get(f"/v1/jobs/{job_id}").json()
    assert [row["trained"] for row in found["coefficients"]] == [job["bias"], *job["weights"]]
    for row in found["coefficients"]:
        assert row["distance"] == pytest.approx((row["trained"] - row["estimate"]) / row["standard_error"])


@pytest.mark.parametrize("rows", [60, 20_000], ids=["few", "many"])
@pytest.mark.parametrize("spec", [{}, {"validation_fraction": 0.2}], ids=["all", "held back"])
def test_stored_data_has_the_statistics_of_its_training_rows(
    client: TestClient, database: Database, trained: Trained, rows: int, spec: Json
) -> None:
    columns = table(rows)
    job_id = trained(request({"id": str(add_dataset(database, columns))}, epochs=2, **spec))
    held_back = round(spec.get("validation_fraction", 0) * rows)

    found = statistics_of(client, job_id)

    assert found["rows"] == rows - held_back
    if not held_back:
        agrees(found, sm.OLS(columns["y"], sm.add_constant(np.column_stack([columns["a"], columns["b"]]))).fit())


def test_the_triangle_of_a_dataset_has_the_statistics_of_statsmodels(client: TestClient, trained: Trained) -> None:
    columns = table(30_000)
    lines = [
        "a,b,y",
        *(",".join(map(repr, row)) for row in zip(*(each.tolist() for each in columns.values()), strict=True)),
    ]
    dataset = uploaded(client, "\n".join(lines).encode())["id"]
    found = statistics_of(client, trained(request({"id": dataset}, epochs=2)))
    model = sm.OLS(columns["y"], sm.add_constant(np.column_stack([columns["a"], columns["b"]]))).fit()
    agrees(found, model)
    assert found["durbin_watson"] == pytest.approx(sm.stats.durbin_watson(model.resid), rel=NEAR)


def test_the_statistics_come_as_text_and_as_csv(client: TestClient, trained: Trained) -> None:
    job_id = trained(request({"x": [[1.0, 2.0], [2.0, 1.0], [3.0, 5.0], [4.0, 4.0]], "y": [1.0, 3.0, 2.0, 5.0]}))
    address = f"/v1/jobs/{job_id}/statistics"
    found = statistics_of(client, job_id)

    text = client.get(address, headers={"Accept": "text/plain"})
    assert text.headers["content-type"].startswith("text/plain")
    for word in ("bias", "std. error", "Durbin-Watson", "95 % from", "VIF"):
        assert word in text.text
    rows = list(csv.DictReader(io.StringIO(client.get(address, headers={"Accept": "text/csv"}).text)))
    expected = [
        {name: "" if each is None else str(each) for name, each in row.items()} for row in found["coefficients"]
    ]
    assert rows == expected


def test_the_lecture_s_line_leaves_no_noise(client: TestClient, trained: Trained) -> None:
    found = statistics_of(client, trained(LECTURE))

    assert found["r_squared_kind"] == "uncentred"
    assert (found["residual_deviation"], found["r_squared"]) == (0, 1)
    [weight] = found["coefficients"]
    assert (weight["estimate"], weight["standard_error"], weight["t"], weight["p"]) == (2, 0, None, None)
    assert any("passes through every row" in note for note in found["notes"])


def test_a_level_belongs_between_0_and_1(client: TestClient, trained: Trained) -> None:
    job_id = trained(LECTURE)
    for level in ("0", "1", "-1", "95", "nan", "x"):
        problem = problem_of(client.get(f"/v1/jobs/{job_id}/statistics", params={"level": level}), 422)
        assert problem["errors"][0]["pointer"] == "/query/level"


def test_a_job_without_rows_to_spare_is_told_so(client: TestClient, trained: Trained) -> None:
    job_id = trained({"dataset": {"x": [1.0, 2.0], "y": [2.0, 3.0]}})
    problem = problem_of(client.get(f"/v1/jobs/{job_id}/statistics"), 422)
    assert problem["type"] == "/problems/too-few-rows"
    assert "2 coefficients from 2 rows" in problem["detail"]


def test_a_job_that_has_not_finished_has_no_statistics(client: TestClient, database: Database) -> None:
    problem = problem_of(client.get(f"/v1/jobs/{submit(database)}/statistics"), 409)
    assert problem["type"] == "/problems/job-not-finished"
    problem_of(client.get(f"/v1/jobs/{UUID(int=7)}/statistics"), 404)


def test_the_rows_that_hold_the_line_are_told_in_every_format(
    client: TestClient, database: Database, trained: Trained
) -> None:
    columns = table(3000)
    columns["a"][17] = 500.0
    job_id = trained(request({"id": str(add_dataset(database, columns))}, epochs=2, validation_fraction=0.1, seed=1))
    address = f"/v1/jobs/{job_id}/influence"

    found = client.get(address, params={"top": 5}).json()

    assert len(found["data"]) == 5
    assert found["rows"] == 2700
    assert found["data"][0]["row"] == 17
    assert found["press"] > 0
    lines = client.get(address, params={"top": 5, "format": "csv"}).text.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["row", *(str(row["row"]) for row in found["data"])]
    text = client.get(address, headers={"Accept": "text/plain"}, params={"by": "leverage"}).text
    assert "PRESS" in text
    assert "by leverage" in text


def test_a_ridge_has_no_studentized_residuals(client: TestClient, trained: Trained) -> None:
    job_id = trained(request({"x": [1.0, 2.0, 3.0, 5.0], "y": [1.0, 3.0, 2.0, 4.0]}, l2=0.1))
    problem = problem_of(client.get(f"/v1/jobs/{job_id}/influence", params={"by": "studentized"}), 422)
    assert problem["errors"][0]["pointer"] == "/query/by"


def test_numbers_that_lapack_gives_up_on_are_beyond_the_range_and_no_fault_of_ours() -> None:
    with pytest.raises(OutOfRange, match="scale the data"), translated_fit_errors():
        np.linalg.svd(np.full((2, 2), np.nan))
