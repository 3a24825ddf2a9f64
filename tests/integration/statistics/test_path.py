"""The regularization path of a job over HTTP, with its cross-validation."""

import csv
import io
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from integration.prediction.test_predictions import add_dataset
from integration.statistics.test_statistics import request, table
from sklearn.linear_model import Ridge
from workbench import FakeQueue, problem_of

from service.errors import ClientGone
from service.settings import Settings
from service.statistics.fits import Fits
from service.storage import storage_at
from service.store.database import Database
from slope.arrays import Array
from slope.calling_off import called_off_when
from slope.statistics.shrinkage import Centred
from worker.process import Process
from worker.tasks import take_work

Trained = Callable[[dict[str, Any]], UUID]
Json = dict[str, Any]


@pytest.fixture
def columns() -> dict[str, Array]:
    return table(400)


@pytest.fixture
def job_id(database: Database, trained: Trained, columns: dict[str, Array]) -> UUID:
    return trained(request({"id": str(add_dataset(database, columns))}, epochs=2, standardize=False))


def path_of(client: TestClient, job_id: UUID, **query: Any) -> Json:
    answer = client.get(f"/v1/jobs/{job_id}/path", params=query)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def test_a_job_has_its_path(client: TestClient, job_id: UUID, columns: dict[str, Array]) -> None:
    found = path_of(client, job_id)
    assert (found["penalty"], found["rows"], found["features"], found["folds"]) == ("l2", 400, ["a", "b"], None)
    assert len(found["points"]) == 100
    point = found["points"][found["best_by_gcv"]]
    x = np.column_stack([columns["a"], columns["b"]])
    model = Ridge(alpha=400 * point["l2"]).fit(x, columns["y"])
    assert [point["bias"], *point["weights"]] == pytest.approx([model.intercept_, *model.coef_], rel=1e-9)
    assert found["points"][0]["cross_validation_error"] is None


@pytest.mark.parametrize("penalty", ["l2", "l1", "elastic_net"])
def test_a_path_is_cross_validated_and_comes_as_csv(penalty: str, client: TestClient, job_id: UUID) -> None:
    found = path_of(client, job_id, penalty=penalty, folds=5)
    assert found["folds"] == 5
    assert found["l1_ratio"] == (0.5 if penalty == "elastic_net" else None)
    best = found["points"][found["best_by_cross_validation"]]
    assert best["cross_validation_error"] == min(point["cross_validation_error"] for point in found["points"])
    assert found["within_one_standard_error"] <= found["best_by_cross_validation"]
    answer = client.get(f"/v1/jobs/{job_id}/path", params={"penalty": penalty, "folds": 5, "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [float(row["weight:b"]) for row in rows] == [point["weights"][1] for point in found["points"]]
    assert [float(row["l1"]) for row in rows] == [point["l1"] for point in found["points"]]


def test_a_worker_takes_the_folds_of_large_data(
    client: TestClient, app: FastAPI, settings: Settings, process: Process, job_id: UUID
) -> None:
    expected = path_of(client, job_id, folds=4)
    app.state.settings = settings.model_copy(update={"statistics_numbers": 0})
    address = f"/v1/jobs/{job_id}/path?folds=4"
    statuses = []
    while (answer := client.get(address)).status_code == 202:
        statuses.append(answer.json()["state"])
        assert take_work(process, job_id)
    assert statuses == ["queued", "queued"], "its triangle, for the dataset has none, and those of its folds"
    assert answer.json() == expected


def test_what_a_path_does_not_have_is_told(client: TestClient, trained: Trained, job_id: UUID) -> None:
    address = f"/v1/jobs/{job_id}/path"
    for query, pointer in (
        ({"l1_ratio": 0.3}, "/query/l1_ratio"),
        ({"penalty": "l0"}, "/query/penalty"),
        ({"penalty": "elastic_net", "l1_ratio": 1.0}, "/query/l1_ratio"),
        ({"penalty": "elastic_net", "l1_ratio": 5e-324}, "/query/l1_ratio"),
        ({"folds": 1}, "/query/folds"),
    ):
        problem = problem_of(client.get(address, params=query), 422)
        assert [error["pointer"] for error in problem["errors"]] == [pointer]
        is_ratio = "l1_ratio" in query and "penalty" in query
        assert is_ratio == ("for 1 take penalty=l1, for 0 penalty=l2" in problem["errors"][0]["detail"])
    three = {"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 4.0]}
    few = trained(request(three, epochs=2))
    assert "do not fill 20 folds" in problem_of(client.get(f"/v1/jobs/{few}/path?folds=20"), 422)["detail"]
    frozen = trained(request(three, epochs=2, frozen=["weights"]))
    assert "frozen" in problem_of(client.get(f"/v1/jobs/{frozen}/path"), 422)["detail"]


def test_a_cross_validation_that_nobody_waits_for_ends_before_its_next_fold(
    settings: Settings, database: Database, queue: FakeQueue, job_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    solved: list[Centred] = []
    solve = Centred.solve
    monkeypatch.setattr(Centred, "solve", lambda self, *asked: solved.append(self) or solve(self, *asked))
    fits = Fits(database, storage_at(settings.storage), queue, settings)
    with called_off_when(lambda: len(solved) == 2), pytest.raises(ClientGone):
        fits.path(job_id, penalty="l1", l1_ratio=None, folds=5)
    assert len(solved) == 2, "of all rows, and without the first fold"


def test_l1_says_what_to_install(client: TestClient, job_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    problem = problem_of(client.get(f"/v1/jobs/{job_id}/path?penalty=l1"), 501)
    assert problem["type"] == "/problems/library-missing"
    assert "pip install -e '.[sklearn]'" in problem["detail"]
    assert path_of(client, job_id)["points"]
