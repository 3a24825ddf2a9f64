"""An analysis that would take too long for the answer to a request is the worker's."""

from threading import Event
from typing import Any
from uuid import UUID

import pytest
from integration.attempts.attempts import Run
from workbench import FakeQueue, change, read, request, storage, submit

import service.jobs.jobs
import service.jobs.pauses
from service.settings import Settings
from service.store.database import Database
from service.store.jobs import jobs
from slope.spec import JobRequest

LATE = {"analysis_seconds": 0.0}
TWO_RATES: list[dict[str, Any]] = [{"learning_rate": 0.01}, {"learning_rate": 9.0, "epochs": 1}]


def submit_late(database: Database, wanted: dict[str, Any]) -> UUID:
    parsed = JobRequest.model_validate(wanted)
    return service.jobs.jobs.submit_job(database, storage(), FakeQueue(), parsed, settings=Settings(**LATE)).job_id


@pytest.mark.parametrize("changes", TWO_RATES)
def test_an_analysis_that_is_left_to_the_worker_is_the_one_of_the_answer(
    database: Database, run: Run, changes: dict[str, Any]
) -> None:
    at_once, late = submit(database, request(**changes)), submit_late(database, request(**changes))
    assert read(database, late).analysis is None
    assert "warning" not in {event.kind for event in read(database, late).events}
    run(at_once)
    run(late, **LATE)

    assert read(database, late).analysis == read(database, at_once).analysis
    warnings = [
        [event.detail for event in read(database, job_id).events if event.kind == "warning"]
        for job_id in (at_once, late)
    ]
    assert sorted(map(str, warnings[0])) == sorted(map(str, warnings[1]))


def test_a_job_that_waits_for_its_analysis_is_cancelled(
    database: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, let_go = submit_late(database, request()), Event()

    def endless(*_: Any) -> None:
        while read(database, job_id).epochs_done < 5:
            let_go.wait(0.01)
        change(database, lambda session: jobs.ask_to_cancel(session, job_id))
        let_go.wait(30)

    monkeypatch.setattr("worker.jobs.outcome.analyse", endless)
    run(job_id, **LATE, beat_seconds=0.01)
    let_go.set()

    job = read(database, job_id)
    assert (job.status, job.epochs_done) == ("cancelled", 5)


def test_an_analysis_that_would_take_a_worker_too_long_is_not_made(database: Database, run: Run) -> None:
    job_id = submit_late(database, request())
    run(job_id, **LATE, worker_analysis_seconds=0.0)
    job = read(database, job_id)
    assert (job.status, job.analysis) == ("succeeded", None)
