"""A job that leaves its learning rate open has one from its first epoch on, whoever chooses it."""

from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient
from workbench import FakeQueue, claim, claim_group_of, columns, jobs_of, request, storage, submit

import slope.engines.costs
from service.jobs import jobs as use_cases
from service.jobs import sweeps
from service.records import replay
from service.settings import Settings
from service.store.database import Database
from service.store.tables import Job
from slope.spec import JobRequest, SweepRequest
from worker.attempt import run_attempt
from worker.process import Process

LATE = Settings(analysis_seconds=0.0)
"""With these the worker chooses."""


def rate_in(database: Database, job_id: UUID) -> tuple[Any, Any]:
    """The rate that the job's hyperparameters have, and the plan's."""
    row = columns(database, job_id)
    return row["spec"]["learning_rate"], row["plan"]["learning_rate"]


def submit_late(database: Database, wanted: dict[str, Any]) -> UUID:
    parsed = JobRequest.model_validate(wanted)
    return use_cases.submit_job(database, storage(), FakeQueue(), parsed, settings=LATE).job_id


def train(process: Process, job_id: UUID) -> None:
    mine = claim(process.database, job_id, worker_id=process.worker_id)
    assert mine
    run_attempt(process, mine)


def open_request(**hyperparameters: Any) -> dict[str, Any]:
    return request(**{"learning_rate": "auto", "dtype": "float64"} | hyperparameters)


def test_a_plan_tells_the_rate_and_its_rule(client: TestClient) -> None:
    plan = client.post("/v1/plan", json=open_request()).json()["plan"]
    assert plan["learning_rate"] > 0
    assert plan["learning_rate_rule"].startswith("auto: 2/(λ_min + λ_max)")
    stated = client.post("/v1/plan", json=request(learning_rate=0.25)).json()["plan"]
    assert (stated["learning_rate"], stated["learning_rate_rule"]) == (0.25, None)


def test_a_job_that_says_nothing_is_at_the_rate_of_its_plan(client: TestClient, database: Database) -> None:
    job = client.post("/v1/jobs", json=open_request(batch_size=1)).json()
    assert job["hyperparameters"]["learning_rate"] == job["plan"]["learning_rate"]
    again = client.post("/v1/jobs", json=request() | {"hyperparameters": job["hyperparameters"]}).json()
    assert again["hyperparameters"] == job["hyperparameters"]
    assert again["plan"]["learning_rate_rule"] is None


@pytest.mark.parametrize("batch_size", ["full", 1])
def test_the_worker_chooses_what_the_answer_would_have(database: Database, process: Process, batch_size: Any) -> None:
    soon, late = (each(database, open_request(batch_size=batch_size)) for each in (submit, submit_late))
    assert rate_in(database, late) == ("auto", None)
    assert "worker" in columns(database, late)["plan"]["learning_rate_rule"]
    train(process, soon)
    train(process, late)
    assert rate_in(database, late) == rate_in(database, soon)
    assert (
        columns(database, late)["plan"]["learning_rate_rule"] == columns(database, soon)["plan"]["learning_rate_rule"]
    )
    assert columns(database, late)["weights"] == columns(database, soon)["weights"]


def test_data_that_is_read_in_parts_has_its_rate_before_the_first_epoch(
    database: Database, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slope.engines.costs, "MOST_NUMBERS_AT_ONCE", 0)
    wanted = open_request(engine="reduced", standardize=True, record={"steps": "none"})
    job_id, whole = submit_late(database, wanted), submit(database, wanted | {"name": "whole"})
    assert columns(database, job_id)["plan"]["streams"]
    train(process, job_id)
    train(process, whole)
    assert rate_in(database, job_id)[0] == pytest.approx(rate_in(database, whole)[0], rel=1e-12)
    assert columns(database, job_id)["scaler"] is not None
    with database.reading() as session:
        job = session.get_one(Job, job_id)
        parameters = replay.parameters_after(session, process.storage, job, 2)
    assert parameters.weights is not None


def test_the_jobs_of_a_group_have_each_their_own(database: Database, process: Process) -> None:
    wanted = {
        "dataset": request()["dataset"],
        "hyperparameters": {"batch_size": 2, "epochs": 5, "engine": "fused", "dtype": "float64"},
        "grid": {"learning_rate": ["auto", 0.01], "l2": [0.0, 0.5]},
    }
    rates = []
    for settings in (Settings(), LATE):
        parsed = SweepRequest.model_validate(wanted)
        made = sweeps.submit_sweep(database, storage(), FakeQueue(), parsed, settings=settings)
        jobs = _train_group(database, process, made.sweep_id)
        rates.append([(job.spec["l2"], job.spec["learning_rate"], job.weights) for job in jobs])
        assert all(job.status == "succeeded" for job in jobs)
    assert rates[0] == rates[1]
    open_, penalised = (rate for l2, rate, _ in rates[0] if rate != 0.01)
    assert penalised < open_


def _train_group(database: Database, process: Process, sweep_id: UUID) -> list[Job]:
    mine = claim_group_of(database, jobs_of(database, sweep_id)[0].id, worker_id=process.worker_id)
    assert mine
    run_attempt(process, mine)
    return jobs_of(database, sweep_id)


def test_a_word_that_is_no_rate_is_told_so(client: TestClient) -> None:
    answer = client.post("/v1/jobs", json=request(learning_rate="fast"))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/hyperparameters/learning_rate"
