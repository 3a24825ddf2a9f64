"""What a job would do is told before it does it, and what is wrong with it as soon as it is known."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from workbench import request

from service.store.database import Database
from service.store.tables import Table

Trained = Callable[[dict[str, Any]], UUID]


def events(client: TestClient, job_id: Any) -> list[dict[str, Any]]:
    return client.get(f"/v1/jobs/{job_id}/events").json()["data"]


def test_a_plan_queues_nothing(client: TestClient, database: Database) -> None:
    assert client.post("/v1/plan", json=request()).status_code == 200
    with database.reading() as session:
        for table in Table.metadata.sorted_tables:
            assert session.scalar(select(func.count()).select_from(table)) == 0


def test_a_plan_is_the_one_the_job_follows(client: TestClient, trained: Trained) -> None:
    wanted = request(epochs=7, batch_size=3)
    planned = client.post("/v1/plan", json=wanted).json()
    job = client.get(f"/v1/jobs/{trained(wanted)}").json()
    assert job["plan"] == planned["plan"]
    assert planned["plan"]["steps"] == 14
    assert job["analysis"]["reached"] is not None
    assert job["analysis"] | {"reached": None} == planned["analysis"]


def test_the_numbers_a_plan_counts_are_those_that_are_recorded(
    client: TestClient, trained: Trained, database: Database
) -> None:
    for record in ({"steps": "all", "every": 3}, {"steps": "none"}, {"steps": "auto"}):
        job_id = trained(request(epochs=8, batch_size=2, validation_fraction=0.25, record=record))
        epochs = client.get(f"/v1/jobs/{job_id}/epochs").json()["data"]
        rows = [*epochs]
        if record["steps"] != "none":
            for epoch in epochs:
                rows += client.get(f"/v1/jobs/{job_id}/epochs/{epoch['epoch']}/steps").json()["data"]
        plan = client.get(f"/v1/jobs/{job_id}").json()["plan"]
        assert sum(map(numbers_in, rows)) == plan["recorded_numbers"], record


def numbers_in(row: dict[str, Any]) -> int:
    """The measured numbers of a record: neither its place nor the rows of its batch."""
    measured = {name: value for name, value in row.items() if name not in ("epoch", "step", "rows")}
    return _count(measured)


def _count(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_count, value.values()))
    return sum(map(_count, value)) if isinstance(value, list) else int(value is not None)


def test_a_job_that_would_record_too_much_is_refused_with_the_number(client: TestClient) -> None:
    answer = client.post("/v1/jobs", json=request(epochs=10_000_000, batch_size=1, record={"steps": "all"}))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/hyperparameters/record"
    per_epoch, per_step = 6 + 3 * 2, 1 + 2 * 2
    assert f"{10_000_000 * (per_epoch + 4 * per_step):,}" in answer.json()["detail"]


def test_a_rate_above_the_limit_warns_in_the_plan_the_job_and_its_events(client: TestClient) -> None:
    limit = client.post("/v1/plan", json=request()).json()["analysis"]["max_stable_learning_rate"]
    wanted = request(learning_rate=1.01 * limit)
    (sentence,) = client.post("/v1/plan", json=wanted).json()["warnings"]
    job = client.post("/v1/jobs", json=wanted).json()
    assert f"{limit:.6g}" in sentence
    assert job["warnings"] == [sentence]
    assert [event["detail"] for event in events(client, job["id"]) if event["level"] == "warning"] == [sentence]
    assert client.post("/v1/plan", json=request(learning_rate=0.99 * limit)).json()["warnings"] == []


def test_a_diverging_job_is_warned_of_before_it_fails(client: TestClient, trained: Trained) -> None:
    job_id = trained(request(learning_rate=5.0, epochs=200))
    told = [(event["level"], event["code"], event["status"]) for event in events(client, job_id)]
    assert ("warning", "loss_growing", None) in told
    assert told[-1] == ("error", None, "failed")


def test_a_job_that_converged_says_how_far_it_came(client: TestClient, trained: Trained) -> None:
    job = client.get(f"/v1/jobs/{trained(request(epochs=3000, learning_rate=0.1, dtype='float64'))}").json()
    reached, exact = job["analysis"]["reached"], job["analysis"]["exact"]
    assert reached["loss"] == pytest.approx(exact["loss"], rel=1e-9)
    assert reached["excess_loss"] == pytest.approx(0, abs=1e-12)
    assert reached["r_squared"] == pytest.approx(job["analysis"]["r_squared"], rel=1e-9)
    assert {"loss_still", "gradient_vanished"} <= {event["code"] for event in events(client, job["id"])}
    assert job["warnings"] == []
