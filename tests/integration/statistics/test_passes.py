"""Statistics that need a look at every row: made where they are asked for, or by a worker, once, and kept."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
import statsmodels.api as sm
from fastapi import FastAPI
from fastapi.testclient import TestClient
from integration.datasets.test_datasets import uploaded
from integration.prediction.test_predictions import add_dataset
from integration.statistics.test_statistics import agrees, request, statistics_of, table
from workbench import FakeQueue, change, problem_of, read, storage

from service.data import numbers
from service.errors import LeaseLost
from service.settings import Settings
from service.store.database import Database
from service.store.leases import passes
from service.store.leases.leases import Claimant
from service.upkeep import lost_jobs
from slope.arrays import Array
from worker.process import Process
from worker.tasks import take_work

Trained = Callable[[dict[str, Any]], UUID]
Json = dict[str, Any]
NAMES = ("HC0", "HC1", "HC2", "HC3", "cluster:g")


def clustered(rows: int) -> dict[str, Array]:
    """With a column g of which neighbouring rows have the same values."""
    columns = table(rows)
    return {"g": np.arange(rows) // 25 * 1.0, **columns}


@pytest.fixture
def columns() -> dict[str, Array]:
    return clustered(3000)


def with_triangle(client: TestClient, columns: dict[str, Array]) -> str:
    """A dataset that was read in, and so has its triangle."""
    lines = [
        ",".join(columns),
        *(",".join(map(repr, row)) for row in zip(*(each.tolist() for each in columns.values()), strict=True)),
    ]
    found: str = uploaded(client, "\n".join(lines).encode())["id"]
    return found


@pytest.fixture
def job_id(client: TestClient, trained: Trained, columns: dict[str, Array]) -> UUID:
    dataset = {"id": with_triangle(client, columns), "features": ["a", "b"], "target": "y"}
    return trained(request(dataset, epochs=2))


@pytest.fixture
def large(app: FastAPI, settings: Settings) -> None:
    """All data is too large for the API to look at its rows."""
    app.state.settings = settings.model_copy(update={"statistics_numbers": 0})


def expected(columns: dict[str, Array], name: str) -> Any:
    design = sm.add_constant(np.column_stack([columns["a"], columns["b"]]))
    options = {"cov_type": "cluster", "cov_kwds": {"groups": columns["g"]}} if "cluster" in name else {"cov_type": name}
    return sm.OLS(columns["y"], design).fit(**options)


def claimed(database: Database, job_id: UUID, lease_seconds: float = 60.0) -> passes.PassLease | None:
    claimant = Claimant(uuid4(), 4711, ["cpu"], lease_seconds)
    found: passes.PassLease | None = change(database, lambda s: passes.claim_pass(s, job_id, uuid4(), claimant))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_little_data_has_the_robust_covariances_of_statsmodels_immediately(
    name: str, client: TestClient, job_id: UUID, columns: dict[str, Array]
) -> None:
    found = statistics_of(client, job_id, covariance=name)
    agrees(found, expected(columns, name))
    assert (found["covariance"], found["distribution"]) == (name, "normal")


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("name", ["HC3", "cluster:g"])
def test_a_worker_looks_at_the_rows_of_large_data_and_what_it_finds_is_kept(
    name: str, client: TestClient, queue: FakeQueue, process: Process, job_id: UUID, columns: dict[str, Array]
) -> None:
    address, query = f"/v1/jobs/{job_id}/statistics", {"covariance": name}

    answer = client.get(address, params=query)
    assert (answer.status_code, answer.json()) == (202, {"state": "queued", "rows": 3000})
    assert client.get(answer.headers["location"]).status_code == 202
    assert queue.rung == [(job_id, "cpu")]
    assert take_work(process, job_id)
    assert not take_work(process, job_id)

    found = client.get(answer.headers["location"], headers={"Prefer": "wait=1"})
    assert found.status_code == 200
    agrees(found.json(), expected(columns, name))
    numbers.delete_numbers(storage(), read(process.database, job_id).dataset.object_id)
    agrees(client.get(address, params=query).json(), expected(columns, name))


@pytest.mark.usefixtures("large")
def test_all_else_is_there_while_a_worker_looks_for_durbin_watson(
    client: TestClient, process: Process, job_id: UUID, columns: dict[str, Array]
) -> None:
    found = statistics_of(client, job_id)
    assert found["durbin_watson"] is None
    assert any("durbin_watson" in note for note in found["notes"])
    assert take_work(process, job_id)
    residuals = expected(columns, "HC0").resid
    assert statistics_of(client, job_id)["durbin_watson"] == pytest.approx(sm.stats.durbin_watson(residuals), rel=1e-9)


@pytest.mark.usefixtures("large")
def test_rows_that_no_triangle_stands_for_are_looked_at_by_a_worker_first(
    client: TestClient, database: Database, process: Process, trained: Trained
) -> None:
    job_id = trained(request({"id": str(add_dataset(database, clustered(20_000)))}, epochs=2, validation_fraction=0.5))
    address = f"/v1/jobs/{job_id}/influence"
    for _ in range(2):  # for the triangle of the rows trained on, and for what was asked for
        assert client.get(address).status_code == 202
        assert take_work(process, job_id)
    assert client.get(address).json()["rows"] == 10_000


@pytest.mark.usefixtures("large")
def test_a_pass_whose_worker_died_is_made_by_another(
    client: TestClient, database: Database, queue: FakeQueue, process: Process, job_id: UUID
) -> None:
    address = f"/v1/jobs/{job_id}/influence"
    client.get(address)
    dead = claimed(database, job_id, lease_seconds=-1.0)
    assert dead
    assert claimed(database, job_id, lease_seconds=60.0), "its lease has run out"
    change(database, lambda s: passes.note_rings(s, []))
    with pytest.raises(LeaseLost):
        change(database, lambda s: dead.finish(s, {}))
    assert not take_work(process, job_id), "another has it"


@pytest.mark.usefixtures("large")
def test_the_bell_of_a_pass_that_nobody_heard_is_rung_again(
    client: TestClient, database: Database, queue: FakeQueue, job_id: UUID
) -> None:
    queue.is_up = False
    client.get(f"/v1/jobs/{job_id}/influence")
    queue.is_up, queue.rung = True, []
    assert lost_jobs.ring_for_passes(database, queue) == [job_id]
    queue.rung = []
    assert lost_jobs.ring_for_passes(database, queue) == [], "it was rung just now"


@pytest.mark.usefixtures("large")
def test_a_pass_that_kills_its_workers_fails_and_can_be_asked_for_again(
    client: TestClient, database: Database, process: Process, job_id: UUID
) -> None:
    address = f"/v1/jobs/{job_id}/influence"
    client.get(address)
    for _ in range(process.settings.max_crashes):
        assert claimed(database, job_id, lease_seconds=-1.0)
    assert take_work(process, job_id)
    problem = problem_of(client.get(address), 503)
    assert problem["type"] == "/problems/pass-failed"
    assert "3 workers died" in problem["detail"]
    assert client.get(address).status_code == 202
    assert take_work(process, job_id)
    assert client.get(address).status_code == 200


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("made_by", ["the API", "a worker"])
def test_a_second_pass_over_rows_that_were_deleted_is_told(
    made_by: str, client: TestClient, app: FastAPI, settings: Settings, process: Process, job_id: UUID
) -> None:
    numbers.delete_numbers(storage(), read(process.database, job_id).dataset.object_id)
    query = {"covariance": "HC3"}
    if made_by == "the API":
        app.state.settings = settings
    else:
        assert client.get(f"/v1/jobs/{job_id}/statistics", params=query).status_code == 202
        assert take_work(process, job_id)
    problem = problem_of(client.get(f"/v1/jobs/{job_id}/statistics", params=query), 410)
    assert problem["type"] == "/problems/rows-gone"


@pytest.mark.parametrize(
    ("covariance", "sentence"),
    [
        ("HC4", "or cluster: and the name of a column"),
        ("cluster:", "or cluster: and the name of a column"),
        ("cluster:h", "no such column"),
        ("cluster:one", "one cluster"),
        ("HC3", "holds a coefficient alone"),
    ],
)
def test_a_covariance_that_the_job_has_not_is_pointed_at(
    covariance: str, sentence: str, client: TestClient, database: Database, trained: Trained
) -> None:
    columns = table(60) | {"one": np.ones(60), "a": np.eye(60)[5]}
    dataset = {"id": str(add_dataset(database, columns)), "features": ["a", "b"], "target": "y"}
    job_id = trained(request(dataset, epochs=2))
    problem = problem_of(client.get(f"/v1/jobs/{job_id}/statistics", params={"covariance": covariance}), 422)
    assert problem["errors"][0]["pointer"] == "/query/covariance"
    assert sentence in problem["errors"][0]["detail"]


def test_a_ridge_has_no_robust_covariance(client: TestClient, trained: Trained) -> None:
    job_id = trained(request({"x": [1.0, 2.0, 4.0], "y": [1.0, 2.0, 3.0]}, l2=0.1))
    problem_of(client.get(f"/v1/jobs/{job_id}/statistics", params={"covariance": "HC1"}), 422)


def test_what_is_kept_of_a_job_goes_with_it(client: TestClient, database: Database, trained: Trained) -> None:
    job_id = trained(request({"id": with_triangle(client, clustered(30_000))}, epochs=2))
    statistics_of(client, job_id)
    found = lambda session: passes.find_pass(session, job_id, "durbin_watson")  # noqa: E731
    assert change(database, found)
    assert client.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert change(database, found) is None
