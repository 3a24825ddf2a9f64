"""Full-batch jobs on a stored dataset train, are analysed and are replayed from its triangle, without its rows."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from fastapi.testclient import TestClient
from integration.datasets.test_datasets import uploaded
from sqlalchemy import select, update

from service.store.database import Database
from service.store.tables import Dataset

Trained = Callable[[dict[str, Any]], UUID]

ROWS = 30_000
NAMES = ["a", "b", "c", "same", "y"]


def table() -> np.ndarray:
    found = np.random.default_rng(0).normal([0, 5, -3, 0, 0], size=(ROWS, 5))
    found[:, 3] = 0.1
    found[:, 4] += found[:, :3].sum(axis=1)
    return found


@pytest.fixture
def dataset(client: TestClient) -> str:
    lines = [",".join(NAMES), *(",".join(map(repr, row)) for row in table().tolist())]
    found: str = uploaded(client, "\n".join(lines).encode())["id"]
    return found


def on(dataset: str, **hyperparameters: Any) -> dict[str, Any]:
    own = {"epochs": 60, "batch_size": "full", "learning_rate": 0.1, "dtype": "float64", "standardize": True}
    chosen = {"id": dataset, "features": ["y", "c", "same", "a"], "target": "b"}
    return {"dataset": chosen, "hyperparameters": own | hyperparameters, "predict": [[1.0, 2.0, 0.1, 3.0]]}


def triangle_in(database: Database, dataset: str) -> bytes | None:
    with database.reading() as session:
        return session.scalar(select(Dataset.triangle).where(Dataset.id == UUID(dataset)))


def without_triangle(database: Database, dataset: str) -> None:
    """As it was before there were any."""
    with database.writing() as session:
        session.execute(update(Dataset).where(Dataset.id == UUID(dataset)).values(triangle=None))
        session.commit()


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.data.numbers.read_columns", lambda *_: pytest.fail("rows were read"))


SPECS: dict[str, dict[str, Any]] = {
    "standardized": {},
    "as it is": {"standardize": False, "learning_rate": 0.005},
    "momentum": {"optimizer": {"name": "sgd", "momentum": 0.5}},
    "ridge without a bias": {"fit_bias": False, "l2": 0.1},
}


@pytest.mark.parametrize("options", SPECS.values(), ids=SPECS)
def test_a_job_comes_to_what_the_rows_come_to(
    options: dict[str, Any], client: TestClient, trained: Trained, database: Database, dataset: str
) -> None:
    wanted = on(dataset, **options, engine="reduced")
    found = client.get(f"/v1/jobs/{trained(wanted)}").json()
    without_triangle(database, dataset)
    expected = client.get(f"/v1/jobs/{trained(wanted)}").json()
    assert found["status"] == expected["status"] == "succeeded"
    assert [job["plan"]["from_triangle"] for job in (found, expected)] == [True, False]
    assert found["weights"] == pytest.approx(expected["weights"], rel=1e-9, abs=1e-12)
    for name in ("first", "last", "best"):
        assert found["loss"][name] == pytest.approx(expected["loss"][name], rel=1e-11)
    own, other = found["analysis"], expected["analysis"]
    assert own["notes"] == other["notes"]
    assert own["exact"]["weights"] == pytest.approx(other["exact"]["weights"], rel=1e-10, abs=1e-12)
    assert own["r_squared"] == pytest.approx(other["r_squared"], rel=1e-12)
    assert own["reached"]["loss"] == pytest.approx(other["reached"]["loss"], rel=1e-11)
    assert own["reached"]["excess_loss"] == pytest.approx(other["reached"]["excess_loss"], rel=1e-6, abs=1e-12)
    assert found["warnings"] == expected["warnings"]


def test_neither_submission_nor_training_nor_replay_reads_a_row(
    client: TestClient, trained: Trained, dataset: str, unread: None
) -> None:
    job_id = trained(on(dataset, record={"steps": "none"}))
    job = client.get(f"/v1/jobs/{job_id}").json()
    assert job["status"] == "succeeded"
    assert "from the dataset's triangle" in job["plan"]["why"].lower()
    assert job["analysis"]["exact"]["loss"] > 0
    answer = client.get(f"/v1/jobs/{job_id}/epochs/7/steps")
    assert answer.status_code == 200


def test_neither_submission_nor_training_of_a_sweep_reads_a_row(
    client: TestClient, train_sweep: Callable[[dict[str, Any]], str], trained: Trained, dataset: str, unread: None
) -> None:
    wanted = on(dataset, record={"steps": "none"}) | {"grid": {"learning_rate": [0.05, 0.1], "l2": [0.0, 0.1]}}
    for job in client.get("/v1/jobs", params={"sweep_id": train_sweep(wanted)}).json()["data"]:
        assert (job["status"], job["plan"]["engine"], job["plan"]["from_triangle"]) == ("succeeded", "fused", True)
        settings = {name: job["hyperparameters"][name] for name in ("learning_rate", "l2")}
        alone = client.get(f"/v1/jobs/{trained(on(dataset, **settings))}").json()
        assert job["weights"] == pytest.approx(alone["weights"], rel=1e-12)
        for part in ("exact", "reached"):
            assert job["analysis"][part]["loss"] == pytest.approx(alone["analysis"][part]["loss"], rel=1e-12)
        assert client.get(f"/v1/jobs/{job['id']}/epochs/7/steps").status_code == 200


@pytest.mark.parametrize(
    "options",
    [{"validation_fraction": 0.1}, {"batch_size": 64}, {"loss": "huber"}],
    ids=["held back", "batches", "huber"],
)
def test_other_jobs_read_their_rows(options: dict[str, Any], client: TestClient, dataset: str) -> None:
    plan = client.post("/v1/plan", json=on(dataset, **options)).json()["plan"]
    assert plan["from_triangle"] is False


def test_a_job_that_trains_row_by_row_is_told_the_rate_for_it(client: TestClient, dataset: str) -> None:
    analysis = client.post("/v1/plan", json=on(dataset, batch_size=1)).json()["analysis"]
    assert analysis["max_stable_learning_rate_per_row"] > 0


def test_a_submission_leaves_the_rows_to_the_worker_and_says_so_of_the_rate_for_each_row(
    client: TestClient, train: Callable[[UUID], None], dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = on(dataset, batch_size=1, epochs=2, learning_rate=0.03)
    planned = client.post("/v1/plan", json=wanted).json()
    with monkeypatch.context() as patch:
        patch.setattr("service.data.numbers.read_columns", lambda *_: pytest.fail("rows were read"))
        job = client.post("/v1/jobs", json=wanted).json()
    assert job["analysis"]["exact"]["loss"] > 0
    assert job["analysis"]["max_stable_learning_rate_per_row"] is None
    train(UUID(job["id"]))
    found = client.get(f"/v1/jobs/{job['id']}").json()
    rate = planned["analysis"]["max_stable_learning_rate_per_row"]
    assert rate < 0.03
    assert found["analysis"]["max_stable_learning_rate_per_row"] == rate
    told = [warning for warning in planned["warnings"] if "row by row may diverge" in warning]
    assert [warning for warning in found["warnings"] if "row by row may diverge" in warning] == told != []


def test_the_estimate_does_not_grow_with_the_rows(
    client: TestClient, database: Database, dataset: str, unread: None
) -> None:
    plan = client.post("/v1/plan", json=on(dataset)).json()["plan"]
    with database.writing() as session:
        session.execute(update(Dataset).where(Dataset.id == UUID(dataset)).values(rows=1000 * ROWS))
        session.commit()
    larger = client.post("/v1/plan", json=on(dataset)).json()["plan"]
    assert larger["estimated_seconds"] == plan["estimated_seconds"]
    assert larger["memory_bytes"] == plan["memory_bytes"]


def test_a_dataset_that_was_kept_before_gets_its_triangle_at_its_first_use(
    client: TestClient, trained: Trained, database: Database, dataset: str
) -> None:
    kept = triangle_in(database, dataset)
    without_triangle(database, dataset)
    trained(on(dataset, batch_size=1000, epochs=1))
    assert triangle_in(database, dataset) == kept
    assert client.post("/v1/plan", json=on(dataset)).json()["plan"]["from_triangle"] is True


def test_a_wide_dataset_has_none(client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"c{place}" for place in range(129)]
    wide = uploaded(client, (",".join(names) + "\n" + ",".join("1" for _ in names)).encode())["id"]
    assert triangle_in(database, wide) is None
