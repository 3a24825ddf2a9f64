"""A small request does not become much: what a sweep keeps of it, and what lists say of wide jobs, has a bound."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st
from pydantic import ValidationError
from workbench import FakeQueue, problem_of, request, rows_of_every_table

from service.api.app import create_app
from service.api.negotiation import json_page
from service.settings import Settings
from service.store.database import Database
from slope.answers.records import ParametersView
from slope.answers.view import Page
from slope.spec import SweepRequest, faults_of
from slope.spec.sweep import MAX_COPIED

Trained = Callable[[dict[str, Any]], UUID]
WIDE, LONG = 120, 150
RATES = [(each + 1) / 1e6 for each in range(2500)]


def sweep(**changes: Any) -> dict[str, Any]:
    wide = {"x": [[0.5] * 4000], "y": [1.0]}
    return {"dataset": wide, "hyperparameters": {"epochs": 1}, "grid": {"learning_rate": RATES}} | changes


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({}, "/dataset"),
        ({"hyperparameters": {"initial_weights": [0.0] * 4000}}, "/hyperparameters"),
        ({"dataset": {"x": [1.0], "y": [1.0]}, "predict": [0.5] * 10_000}, "/predict"),
        ({"dataset": {"x": [1.0], "y": [1.0]}, "metadata": {f"{n}": "x" * 512 for n in range(50)}}, "/metadata"),
        ({"grid": {"learning_rate": RATES, "initial_weights": [[0.0] * 4000]}}, "/grid/initial_weights"),
        (
            {"grid": None, "settings": [{"learning_rate": rate} for rate in RATES], "predict": [[0.5] * 4000]},
            "/predict",
        ),
    ],
)
def test_a_sweep_that_would_keep_much_more_than_it_says_is_refused(
    client: TestClient, database: Database, changes: dict[str, Any], pointer: str
) -> None:
    body = {name: value for name, value in sweep(**changes).items() if value is not None}
    problem = problem_of(client.post("/v1/sweeps", json=body), 422)
    assert problem["errors"][0]["pointer"] == pointer
    assert rows_of_every_table(database)["jobs"] == 0


@bounded(deadline=None)
@given(settings=st.integers(1, 400), weights=st.integers(1, 400), points=st.integers(0, 300))
def test_what_is_accepted_copies_no_more_than_the_bound(settings: int, weights: int, points: int) -> None:
    body = {
        "dataset": {"x": [[0.1] * weights], "y": [1.0]},
        "hyperparameters": {"initial_weights": [0.123456789] * weights},
        "predict": [[0.123456789] * weights] * points,
        "grid": {"learning_rate": RATES[:settings]},
    }
    try:
        accepted = SweepRequest.model_validate(body)
    except ValidationError as error:
        [fault] = faults_of(error.errors(), body)
        assert fault.pointer in ("/hyperparameters", "/predict")
        assert settings * 12 * weights * (1 + points) > MAX_COPIED // 3
        return
    shared = len(accepted.model_dump_json(include={"hyperparameters", "predict"}))
    assert shared * settings <= MAX_COPIED * 1.01


def test_the_weights_of_a_sweep_have_a_bound_of_their_own(settings: Settings, queue: FakeQueue) -> None:
    few = settings.model_copy(update={"max_sweep_numbers": 3})
    body = {"dataset": {"x": [[1.0, 2.0]], "y": [1.0]}, "grid": {"l2": [0.0, 0.1]}}
    with TestClient(create_app(few, queue)) as client:
        problem = problem_of(client.post("/v1/sweeps", json=body), 422)
        assert "2 settings of 2 features are 4 weights; 3 are allowed" in problem["detail"]
        assert client.post("/v1/sweeps", json=body | {"grid": {"l2": [0.0]}}).status_code == 202


def test_lists_leave_out_what_is_long_and_the_job_has_it(client: TestClient, trained: Trained) -> None:
    wide = {"x": [[float(column == row) for column in range(WIDE)] for row in range(3)], "y": [1.0, 2.0, 3.0]}
    shared = {"standardize": True, "batch_size": "full", "epochs": 2, "initial_weights": [0.0] * WIDE}
    job_id = trained({"dataset": wide, "hyperparameters": shared, "predict": [[1.0] * WIDE] * LONG})

    [item] = client.get("/v1/jobs").json()["data"]
    job = client.get(f"/v1/jobs/{job_id}").json()
    for found in (job["weights"], job["scaled"]["weights"], job["analysis"]["exact"]["weights"]):
        assert len(found) == WIDE
    assert (len(job["dataset"]["columns"]), len(job["hyperparameters"]["initial_weights"])) == (WIDE, WIDE)
    left_out = dict.fromkeys(("weights", "scaled", "analysis", "predict"))
    expected = job | left_out
    expected["dataset"] = job["dataset"] | {"columns": None}
    expected["hyperparameters"] = job["hyperparameters"] | {"initial_weights": None}
    assert item == expected


def test_lists_have_all_of_jobs_that_are_not_wide(client: TestClient, trained: Trained) -> None:
    job_id = trained(request() | {"predict": [1.0, 2.0]})
    assert client.get("/v1/jobs").json()["data"] == [client.get(f"/v1/jobs/{job_id}").json()]


def test_lists_of_sweeps_and_rankings_leave_out_what_is_long(client: TestClient) -> None:
    body = {"dataset": {"x": [[1.0] * WIDE], "y": [1.0]}, "hyperparameters": {"initial_weights": [0.0] * WIDE}}
    sweep_id = client.post("/v1/sweeps", json=body | {"grid": {"l2": [0.0]}}).json()["id"]
    [item] = client.get("/v1/sweeps").json()["data"]
    assert item["hyperparameters"]["initial_weights"] is None
    assert client.get(f"/v1/sweeps/{sweep_id}").json()["hyperparameters"]["initial_weights"] == [0.0] * WIDE


def test_a_page_of_rows_of_a_wide_dataset_ends_early(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = client.post("/v1/datasets", content="a,b\n1,2\n3,4\n5,6\n", headers={"Content-Type": "text/csv"})
    monkeypatch.setattr("service.data.datasets.MOST_NUMBERS_ON_A_PAGE", 4)
    page = client.get(f"/v1/datasets/{answer.json()['id']}/rows").json()
    assert (len(page["data"]), page["next"]) == (2, "1")


def test_a_list_looks_at_the_workers_once_however_many_jobs_wait(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        client.post("/v1/jobs", json=request())
    asked: list[object] = []
    monkeypatch.setattr("service.store.workers.live_devices", lambda session: asked.append(session) or {"cpu": True})
    reasons = [job["reason"] for job in client.get("/v1/jobs").json()["data"]]
    assert (reasons, len(asked)) == (["It waits for a free worker"] * 3, 1)


@pytest.mark.parametrize("following", [None, 7])
def test_a_page_that_is_made_item_by_item_is_the_page(following: int | None) -> None:
    items = [ParametersView(weights=[0.1 * each, float("nan")], bias=None) for each in range(3)]
    whole = Page(data=items, next=None if following is None else str(following))
    answer = json_page(items, following)
    assert bytes(answer.body) == whole.model_dump_json().encode()
    assert bytes(json_page([], following).body) == whole.model_copy(update={"data": []}).model_dump_json().encode()


def test_pages_tell_caches_once_what_they_depend_on(client: TestClient, trained: Trained) -> None:
    job_id = trained(request())
    for path in ("epochs", "epochs?points=4", "epochs/0/steps", "model", "model?epoch=1", "epochs/0/steps/0/graph"):
        answer = client.get(f"/v1/jobs/{job_id}/{path}")
        assert [value for name, value in answer.headers.multi_items() if name == "vary"] == ["Accept"], path
