"""Pausing and resuming over HTTP: what is answered, when it is refused, and what a paused job is to everybody else."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from workbench import (
    FakeQueue,
    abandoned,
    change,
    claim,
    claimed,
    columns,
    end_job,
    jobs_of,
    problem_of,
    read,
    request,
    submit,
    submit_sweep,
)

from service.store.database import Database
from service.store.jobs.bells import unheard_jobs
from service.store.leases import lost_leases
from service.store.tables import Event, Job
from worker.attempt import run_attempt
from worker.process import Process

Trained = Callable[[dict[str, Any]], UUID]


def told(database: Database, job_id: UUID) -> list[tuple[str | None, str | None]]:
    return [(event.status, event.detail) for event in read(database, job_id).events]


def test_a_waiting_job_is_paused_immediately_and_waits_again_when_it_is_resumed(
    client: TestClient, database: Database, queue: FakeQueue
) -> None:
    job_id = submit(database)

    paused = client.post(f"/v1/jobs/{job_id}/pause")

    assert (paused.status_code, paused.json()["status"]) == (202, "paused")
    assert "resume" in paused.json()["reason"]
    assert claim(database, job_id) is None
    assert client.post(f"/v1/jobs/{job_id}/pause").json() == paused.json(), "asked again, it stays as it is"
    resumed = client.post(f"/v1/jobs/{job_id}/resume")
    assert (resumed.status_code, resumed.json()["status"]) == (202, "queued")
    assert queue.rung == [(job_id, "auto")]
    assert told(database, job_id) == [("queued", None), ("paused", "Paused after 0 epochs"), ("queued", "Resumed")]
    assert claim(database, job_id)


def test_a_running_job_is_asked_to_pause_and_its_attempt_gives_it_back_as_paused(
    client: TestClient, database: Database
) -> None:
    mine = claimed(database)
    change(database, lambda session: mine.extend(session, 60.0, epochs_done=3, checkpoint=b"here"))

    asked = client.post(f"/v1/jobs/{mine.job_id}/pause")

    assert (asked.status_code, asked.json()["status"]) == (202, "running")
    assert change(database, lambda session: mine.beat(session, 60.0)) == {mine.job_id: "pause"}
    change(database, lambda session: mine.put_back(session, "leaving"))
    row = columns(database, mine.job_id)
    assert (row["status"], row["pause_requested"], row["checkpoint"]) == ("paused", False, b"here")
    assert told(database, mine.job_id)[-1] == ("paused", "Paused after 3 epochs")


def test_a_pause_is_taken_back_before_the_worker_has_heard_of_it(client: TestClient, database: Database) -> None:
    mine = claimed(database)
    url = f"/v1/jobs/{mine.job_id}"
    client.post(f"{url}/pause")

    assert client.post(f"{url}/resume").json()["status"] == "running"

    assert change(database, lambda session: mine.beat(session, 60.0)) == {}
    assert problem_of(client.post(f"{url}/resume"), 409)["type"] == "/problems/job-is-not-paused"


def test_a_pause_that_is_taken_back_too_late_leaves_the_job_in_the_queue(
    client: TestClient, database: Database
) -> None:
    mine = claimed(database)
    client.post(f"/v1/jobs/{mine.job_id}/pause")
    client.post(f"/v1/jobs/{mine.job_id}/resume")

    change(database, lambda session: mine.put_back(session, "its attempt has seen the wish"))

    assert read(database, mine.job_id).status == "queued"


@pytest.mark.parametrize("call", ["pause", "resume"])
@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
def test_a_job_that_has_ended_is_neither_paused_nor_resumed(
    client: TestClient, database: Database, status: str, call: str
) -> None:
    mine = claimed(database)
    change(database, lambda session: end_job(session, mine, status))

    problem = problem_of(client.post(f"/v1/jobs/{mine.job_id}/{call}"), 409)

    assert problem["type"] == "/problems/job-is-final"
    assert problem["detail"] == f"The job is {status} already: there is nothing to {call}"


def test_a_job_that_waits_is_not_resumed(client: TestClient, database: Database) -> None:
    problem = problem_of(client.post(f"/v1/jobs/{submit(database)}/resume"), 409)

    assert problem["detail"] == "The job is queued and nobody has asked to pause it: there is nothing to resume"


def test_a_job_that_is_being_cancelled_is_not_paused(client: TestClient, database: Database) -> None:
    mine = claimed(database)
    url = f"/v1/jobs/{mine.job_id}"
    client.post(f"{url}/cancel")

    assert problem_of(client.post(f"{url}/pause"), 409)["type"] == "/problems/job-is-to-be-cancelled"

    change(database, lambda session: mine.put_back(session, "leaving"))
    assert problem_of(client.post(f"{url}/pause"), 409)["type"] == "/problems/job-is-to-be-cancelled"


def test_a_cancel_takes_the_place_of_a_pause(client: TestClient, database: Database) -> None:
    mine = claimed(database)
    client.post(f"/v1/jobs/{mine.job_id}/pause")
    client.post(f"/v1/jobs/{mine.job_id}/cancel")

    assert change(database, lambda session: mine.beat(session, 60.0)) == {mine.job_id: "cancel"}


def test_a_paused_job_is_cancelled_or_deleted_immediately(client: TestClient, database: Database) -> None:
    cancelled, deleted = submit(database), submit(database)
    for job_id in (cancelled, deleted):
        client.post(f"/v1/jobs/{job_id}/pause")

    assert client.post(f"/v1/jobs/{cancelled}/cancel").json()["status"] == "cancelled"
    assert client.delete(f"/v1/jobs/{deleted}").status_code == 204
    problem_of(client.get(f"/v1/jobs/{deleted}"), 404)


def test_paused_jobs_are_found_cancelled_and_deleted_by_filters(client: TestClient, database: Database) -> None:
    paused, waiting = submit(database), submit(database)
    client.post(f"/v1/jobs/{paused}/pause")

    assert [job["id"] for job in client.get("/v1/jobs?status=paused").json()["data"]] == [str(paused)]
    assert client.delete("/v1/jobs?status=paused&dry_run=true").json()["jobs"] == [str(paused)]
    cancelled = client.post(f"/v1/jobs/cancel?ids={paused}&ids={waiting}").json()
    assert cancelled["jobs"] == [str(paused), str(waiting)]
    assert read(database, paused).status == "cancelled"


@pytest.mark.parametrize("call", ["pause", "resume"])
def test_a_job_of_another_tag_is_left_alone(client: TestClient, database: Database, call: str) -> None:
    job_id = submit(database)
    if call == "resume":
        client.post(f"/v1/jobs/{job_id}/pause")
    tag, before = client.get(f"/v1/jobs/{job_id}").headers["etag"], read(database, job_id).status

    problem_of(client.post(f"/v1/jobs/{job_id}/{call}", headers={"If-Match": '"7.0"'}), 412)

    assert read(database, job_id).status == before
    answer = client.post(f"/v1/jobs/{job_id}/{call}", headers={"If-Match": tag})
    assert answer.status_code == 202
    assert answer.headers["etag"] == client.get(f"/v1/jobs/{job_id}").headers["etag"] != tag


def test_a_job_that_lost_its_worker_is_paused_where_that_was_asked_for(client: TestClient, database: Database) -> None:
    mine = claimed(database)
    client.post(f"/v1/jobs/{mine.job_id}/pause")

    assert change(database, lambda session: lost_leases.release_lost(session, abandoned(mine), max_crashes=3))

    assert told(database, mine.job_id)[-1] == ("paused", "The worker was lost in attempt 1")


def test_nobody_rings_for_a_paused_job(client: TestClient, database: Database) -> None:
    job_id = submit(database)
    client.post(f"/v1/jobs/{job_id}/pause")

    with database.reading() as session:
        assert unheard_jobs(session, silent_seconds=-60.0, limit=10) == []
        assert lost_leases.expired_jobs(session) == []


def test_a_bell_that_the_broker_did_not_take_is_rung_by_the_reaper(
    client: TestClient, database: Database, queue: FakeQueue
) -> None:
    job_id = submit(database)
    client.post(f"/v1/jobs/{job_id}/pause")
    queue.is_up = False

    assert client.post(f"/v1/jobs/{job_id}/resume").status_code == 202

    assert columns(database, job_id)["rung_at"] is None


def test_who_waits_for_a_job_to_end_waits_over_a_pause(client: TestClient, database: Database) -> None:
    answer = client.post("/v1/jobs", json=request())
    client.post(f"/v1/jobs/{answer.json()['id']}/pause")
    version = client.get(f"/v1/jobs/{answer.json()['id']}")

    held = client.get(
        f"/v1/jobs/{answer.json()['id']}", headers={"Prefer": "wait=1", "If-None-Match": version.headers["etag"]}
    )

    assert held.status_code == 304


def test_the_time_that_a_job_was_paused_does_not_count(
    client: TestClient, database: Database, process: Process
) -> None:
    job_id = submit(database, request() | {"timeout_seconds": 3600.0})
    mine = claim(database, job_id)
    assert mine
    client.post(f"/v1/jobs/{job_id}/pause")
    change(database, lambda session: mine.put_back(session, "paused"))
    day = timedelta(days=1)

    def pass_a_day(session: Any) -> None:
        session.get(Job, job_id).started_at -= day
        for event in session.scalars(select(Event).where(Event.job_id == job_id)):
            event.at -= day

    change(database, pass_a_day)
    client.post(f"/v1/jobs/{job_id}/resume")
    again = claim(database, job_id, worker_id=process.worker_id)
    assert again

    run_attempt(process, again)

    assert read(database, job_id).status == "succeeded"


def test_a_pause_before_a_job_first_ran_gives_it_no_more_time(
    client: TestClient, database: Database, process: Process
) -> None:
    job_id = submit(database, request() | {"timeout_seconds": 3600.0})
    for call in ("pause", "resume"):
        client.post(f"/v1/jobs/{job_id}/{call}")
    first = claim(database, job_id)
    assert first
    change(database, lambda session: first.put_back(session, "its worker leaves"))

    def pass_time(session: Session) -> None:
        session.get_one(Job, job_id).started_at -= timedelta(hours=2)
        for event in session.scalars(select(Event).where(Event.job_id == job_id)):
            event.at -= timedelta(hours=2)
            if event.status == "paused":
                event.at -= timedelta(days=1)

    change(database, pass_time)
    again = claim(database, job_id, worker_id=process.worker_id)
    assert again

    run_attempt(process, again)

    assert read(database, job_id).error_code == "timeout"


def test_a_sweep_counts_its_paused_jobs_among_those_that_have_not_ended(client: TestClient, database: Database) -> None:
    sweep_id = submit_sweep(database, request() | {"grid": {"learning_rate": [0.01, 0.02, 0.03]}})
    first = jobs_of(database, sweep_id)[0]

    client.post(f"/v1/jobs/{first.id}/pause")

    sweep = client.get(f"/v1/sweeps/{sweep_id}").json()
    assert (sweep["counts"], sweep["progress"]["jobs_ended"]) == ({"paused": 1, "queued": 2}, 0)
    assert client.post(f"/v1/sweeps/{sweep_id}/cancel").json()["counts"] == {"cancelled": 3}
