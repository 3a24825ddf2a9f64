"""What a job would do is told before it does it, and what is wrong with it as soon as it is known."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from structlog.testing import capture_logs
from workbench import LECTURE, FakeQueue, change, problem_of, request

from service.api.app import create_app
from service.settings import Settings
from service.store.database import Database
from service.store.tables import Job, Table

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
    assert job["plan"] | {"actual_seconds": None} == planned["plan"]
    assert job["plan"]["actual_seconds"] > 0
    assert planned["plan"]["steps"] == 14
    assert job["analysis"]["reached"] is not None
    assert job["analysis"] | {"reached": None} == planned["analysis"]


def test_a_plan_learns_from_what_jobs_took_and_the_choice_of_the_engine_does_not(
    client: TestClient, trained: Trained, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.drafts._KEPT_SECONDS", 0.0)
    wanted = request(epochs=200)
    before = client.post("/v1/plan", json=wanted).json()
    assert before["plan"]["experience"] == 1
    jobs = [trained(wanted) for _ in range(3)]
    reckoned = before["plan"]["estimated_seconds"]
    with database.writing() as session:
        session.execute(update(Job).where(Job.id.in_(jobs)).values(seconds=20 * reckoned))
        session.commit()
    after = client.post("/v1/plan", json=wanted).json()
    assert after["plan"] == before["plan"] | {
        "estimated_seconds": pytest.approx(20 * reckoned),
        "experience": pytest.approx(20),
    }
    [eager] = [each for each in after["candidates"] if each["engine"] == "eager"]
    assert eager["estimated_seconds"] == pytest.approx(20 * reckoned)
    with database.writing() as session:  # what a plan by experience is kept with is learnt from as before
        session.execute(update(Job).values(plan=after["plan"]))
        session.commit()
    assert client.post("/v1/plan", json=wanted).json()["plan"]["experience"] == pytest.approx(20)


@pytest.mark.parametrize("damage", [{"experience": 0}, {"experience": None}, {"estimated_seconds": "long"}], ids=str)
def test_a_plan_that_somebody_has_damaged_in_sql_keeps_nobody_from_submitting(
    client: TestClient,
    trained: Trained,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    damage: dict[str, Any],
) -> None:
    monkeypatch.setattr("service.jobs.drafts._KEPT_SECONDS", 0.0)
    job_id = trained(request(epochs=20))
    plan = client.get(f"/v1/jobs/{job_id}").json()["plan"]
    change(database, lambda session: session.execute(update(Job).values(plan=plan | damage, seconds=1.0)))
    with capture_logs() as lines:
        assert client.post("/v1/jobs", json=request(epochs=7)).status_code == 202
    said = [line for line in lines if "damaged" in line["event"]]
    assert [line["job_id"] for line in said] == [str(job_id)]


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


def test_without_a_bias_r_squared_is_uncentred_in_plan_and_job(client: TestClient, trained: Trained) -> None:
    wanted = {
        "dataset": {"x": [4.0, 5.0, 6.0], "y": [3.0, 4.0, 4.0]},
        "hyperparameters": {"fit_bias": False, "epochs": 300, "batch_size": "full", "dtype": "float64"},
    }
    planned = client.post("/v1/plan", json=wanted).json()["analysis"]
    job = client.get(f"/v1/jobs/{trained(wanted)}").json()["analysis"]
    for analysis in (planned, job):
        assert (analysis["r_squared_kind"], analysis["r_squared"]) == ("uncentred", pytest.approx(0.993348115299335))
    assert job["reached"]["r_squared"] == pytest.approx(0.993348115299335)


def test_all_engines_are_told_with_their_cost_or_what_stands_in_their_way(client: TestClient) -> None:
    told = client.post("/v1/plan", json=request(epochs=7, batch_size=3, l1=0.1)).json()["candidates"]
    assert [each["engine"] for each in told] == ["eager", "reduced", "composed", "compiled", "fused"]
    eager, reduced = told[:2]
    assert eager["applies"]
    assert eager["estimated_seconds"] > 0
    assert eager["memory_bytes"] > 0
    assert reduced == {
        "engine": "reduced",
        "applies": False,
        "why": "It needs the full batch, not 3 of 4 rows",
        "estimated_seconds": None,
        "memory_bytes": None,
    }


def test_an_engine_that_does_not_apply_is_refused_before_anything_is_queued(
    client: TestClient, database: Database
) -> None:
    for path in ("/v1/plan", "/v1/jobs"):
        problem = problem_of(client.post(path, json=request(engine="composed", l1=0.1)), 422)
        detail = "The engine composed does not apply: it needs steps without l1"
        assert problem["errors"] == [{"detail": detail, "pointer": "/hyperparameters/engine"}]
    assert client.get("/v1/jobs").json()["data"] == []


ENGINES: dict[str, dict[str, Any]] = {
    "reduced": {"optimizer": {"name": "adam"}},
    "composed": {"batch_size": 1},
    "compiled": {"batch_size": 1, "shuffle": True},
}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_records_of_an_engine_are_those_of_the_plain_loop(
    engine: str, client: TestClient, trained: Trained
) -> None:
    common = {"epochs": 9, "dtype": "float64", "validation_fraction": 0.25, "record": {"every": 4}} | ENGINES[engine]
    plain, fast = (trained(request(**common, engine=name)) for name in ("eager", engine))
    job = client.get(f"/v1/jobs/{fast}").json()
    assert job["plan"]["engine"] == engine
    assert job["plan"]["why"].startswith("Asked for. ")
    for path in ("epochs", *(f"epochs/{epoch}/steps" for epoch in (0, 3, 8)), "predictions"):
        theirs, ours = (client.get(f"/v1/jobs/{job_id}/{path}").json()["data"] for job_id in (plain, fast))
        assert len(theirs) == len(ours) > 0 or path == "predictions"
        for its, mine in zip(theirs, ours, strict=True):
            assert_alike(its, mine)
    after = [
        client.post(f"/v1/jobs/{job_id}/predict", json={"x": [1.5], "epoch": 5}).json() for job_id in (plain, fast)
    ]
    assert_alike(*after)


def assert_alike(its: Any, mine: Any) -> None:
    """The same shape, and the same numbers to ten digits; but for the time it took."""
    if isinstance(its, dict):
        assert its.keys() == mine.keys()
        for name in its.keys() - {"seconds"}:
            assert_alike(its[name], mine[name])
    elif isinstance(its, list):
        assert len(its) == len(mine)
        for one, other in zip(its, mine, strict=True):
            assert_alike(one, other)
    else:
        assert mine == (pytest.approx(its, rel=1e-10, abs=1e-12) if isinstance(its, float) else its)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_step_of_an_engine_has_a_graph_and_its_epoch_an_audit(
    engine: str, client: TestClient, trained: Trained, database: Database
) -> None:
    job_id = trained(request(epochs=3, engine=engine, **ENGINES[engine]))
    for path in ("epochs/2/steps/0/graph", "epochs/2/audit"):
        assert client.get(f"/v1/jobs/{job_id}/{path}").status_code == 200, path


FAR = {"x": [1.0, 2.0, 3.0], "y": [1e9 + 1, 1e9 + 2, 1e9 + 3]}


def test_a_column_that_float32_rounds_away_is_told(client: TestClient, trained: Trained) -> None:
    wanted = request(learning_rate=0.001) | {"dataset": FAR}
    [told] = client.post("/v1/plan", json=wanted).json()["warnings"]
    assert told.startswith("float32 is too coarse for y: ")
    assert client.get(f"/v1/jobs/{trained(wanted)}").json()["warnings"][0] == told


def test_a_column_of_a_stored_dataset_that_float32_rounds_away_is_told_without_reading_it(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "far,near,y\n1000000001,1,1\n1000000002,2,2\n1000000003,3,4\n"
    dataset = client.post("/v1/datasets", content=content, headers={"Content-Type": "text/csv"}).json()
    monkeypatch.setattr("service.jobs.training_data.MOST_READ", 0)
    for features, told in ((["far", "near"], 1), (["near"], 0)):
        wanted = {"dataset": {"id": dataset["id"], "features": features}}
        warnings = client.post("/v1/plan", json=wanted).json()["warnings"]
        assert [warning[: len("float32 is too coarse for far:")] for warning in warnings] == [
            "float32 is too coarse for far:"
        ] * told


def test_jobs_of_a_sweep_are_told_what_their_dtype_rounds_away(client: TestClient) -> None:
    wanted = {"dataset": FAR, "grid": {"dtype": ["float32", "float64"]}}
    sweep = client.post("/v1/sweeps", json=wanted).json()
    jobs = client.get("/v1/jobs", params={"sweep_id": sweep["id"]}).json()["data"]
    told = {job["hyperparameters"]["dtype"]: [each for each in job["warnings"] if "coarse" in each] for job in jobs}
    assert (len(told["float32"]), len(told["float64"])) == (1, 0)


def test_an_analysis_that_takes_too_long_is_left_to_the_worker(settings: Settings, queue: FakeQueue) -> None:
    answers = []
    for bounds in ({}, {"analysis_seconds": 0.0}, {"analysis_seconds": 0.0, "worker_analysis_seconds": 0.0}):
        with TestClient(create_app(settings.model_copy(update=bounds), queue)) as client:
            answer = client.post("/v1/plan", json=request(learning_rate=9.0)).json()
        answers.append((answer["analysis"] is not None, answer["analysis_follows"], answer["warnings"] != []))
    assert answers == [(True, False, True), (False, True, False), (False, False, False)]


def test_a_job_that_ended_far_from_the_minimum_says_so(client: TestClient, trained: Trained) -> None:
    for hyperparameters, told in (
        ({"epochs": 3, "learning_rate": 1e-4, "engine": "eager"}, True),
        ({"epochs": 3, "learning_rate": 1e-4, "engine": "reduced"}, True),
        ({"epochs": 500, "learning_rate": 0.1}, False),
    ):
        job = client.get(f"/v1/jobs/{trained(request(**hyperparameters))}").json()
        assert job["status"] == "succeeded"
        assert any("far from the minimum" in warning for warning in job["warnings"]) == told, hyperparameters
    assert client.get(f"/v1/jobs/{trained(LECTURE)}").json()["warnings"] == []


def test_a_standardized_job_is_not_advised_to_standardize(client: TestClient, trained: Trained) -> None:
    for standardize in (False, True):
        wanted = request(learning_rate=5.0, epochs=2000, standardize=standardize)
        job = client.get(f"/v1/jobs/{trained(wanted)}").json()
        said = [job["error"]["detail"], *job["warnings"]]
        assert len(said) > 2
        assert all("standardize" in sentence for sentence in said) == (not standardize)
        assert any("standardize" in sentence for sentence in said) == (not standardize)
