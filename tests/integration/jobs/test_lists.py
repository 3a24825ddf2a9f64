"""Lists of jobs over HTTP, and what is done with many of them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from workbench import LECTURE, claimed, problem_of, request, submit

from service.store.database import Database

Trained = Callable[[dict[str, Any]], UUID]


def rates(trained: Trained, *found: float) -> list[str]:
    """Jobs that differ in their rates, and so in their losses."""
    return [str(trained(request(learning_rate=rate))) for rate in found]


@pytest.mark.parametrize("by", ["created", "finished", "loss", "validation", "seconds"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_sorted_pages_follow_each_other(client: TestClient, trained: Trained, by: str, sign: str) -> None:
    jobs = rates(trained, 0.01, 0.05, 0.001)
    waiting = client.post("/v1/jobs", json=request()).json()["id"]
    query, seen = {"sort": sign + by, "limit": "1"}, []
    while True:
        page = client.get("/v1/jobs", params=query).json()
        seen += [job["id"] for job in page["data"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]

    assert sorted(seen) == sorted([*jobs, waiting])
    if by in ("finished", "loss"):
        assert seen[-1] == waiting, "it has no such value yet"
    if by == "loss":
        assert seen[:3] == [jobs[1], jobs[0], jobs[2]][:: -1 if sign else 1]


@pytest.mark.parametrize(
    ("sort", "after"),
    [
        ("loss", "x_0190f2a4-0000-7000-8000-000000000000"),
        ("loss", "1.5"),
        ("finished", "2026-01-01T00:00:00_0190f2a4-0000-7000-8000-000000000000"),
        ("created", "1.5_0190f2a4-0000-7000-8000-000000000000"),
    ],
)
def test_a_next_of_another_order_is_refused(client: TestClient, sort: str, after: str) -> None:
    problem = problem_of(client.get("/v1/jobs", params={"sort": sort, "after": after}), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["/query/after"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"created_since": "0001-01-01T00:00:00+14:00"}, "/query/created_since"),
        ({"finished_before": "9999-12-31T23:59:59-14:00"}, "/query/finished_before"),
        ({"sort": "finished", "after": f"9999-12-31T23:59:59-12:00_{UUID(int=7)}"}, "/query/after"),
    ],
    ids=["too early", "too late", "a next that nobody gave"],
)
def test_times_that_utc_does_not_have_are_refused(client: TestClient, query: dict[str, str], pointer: str) -> None:
    [error] = problem_of(client.get("/v1/jobs", params=query), 422)["errors"]
    assert error["pointer"] == pointer


def test_a_list_is_filtered_by_words_times_and_ids(client: TestClient, trained: Trained) -> None:
    done = str(trained(LECTURE))
    finished = client.get(f"/v1/jobs/{done}").json()["finished_at"]

    def listed(**query: Any) -> list[str]:
        answer = client.get("/v1/jobs", params=query)
        assert answer.status_code == 200, answer.text
        return [job["id"] for job in answer.json()["data"]]

    assert listed(q="AUTO") == listed(finished_since=finished) == listed(ids=[done, str(uuid4())]) == [done]
    assert listed(q="perceptron") == listed(finished_before=finished) == listed(ids=str(uuid4())) == []
    assert problem_of(client.get("/v1/jobs", params={"created_since": "2026-01-01T00:00:00"}), 422), "of which zone?"


def test_a_list_that_has_not_changed_is_not_sent_again(client: TestClient, database: Database) -> None:
    submit(database)
    first = client.get("/v1/jobs")
    held = {"If-None-Match": first.headers["etag"]}

    assert client.get("/v1/jobs", headers=held).status_code == 304
    submit(database)
    changed = client.get("/v1/jobs", headers=held)
    assert (changed.status_code, len(changed.json()["data"])) == (200, 2)


def test_many_jobs_are_cancelled_by_a_filter(client: TestClient, database: Database) -> None:
    waiting, running = str(submit(database)), str(claimed(database).job_id)

    trial = client.post("/v1/jobs/cancel?status=queued&dry_run=true")
    assert trial.json() == {"matched": 1, "jobs": [waiting], "remaining": 0, "dry_run": True}
    assert client.get(f"/v1/jobs/{waiting}").json()["status"] == "queued"

    done = client.post("/v1/jobs/cancel?status=queued&status=running")
    assert (done.status_code, done.json()["jobs"]) == (202, [waiting, running])
    assert client.get(f"/v1/jobs/{waiting}").json()["status"] == "cancelled"


def test_many_jobs_are_deleted_by_a_filter_and_those_that_run_stay(
    client: TestClient, database: Database, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.many.MOST_CHANGED", 2)
    done, running = [str(trained(LECTURE)) for _ in range(3)], str(claimed(database, LECTURE).job_id)

    trial = client.delete("/v1/jobs?name=lecture&dry_run=true").json()
    assert trial == {"matched": 3, "jobs": done[:2], "remaining": 1, "dry_run": True}
    assert len(client.get("/v1/jobs").json()["data"]) == 4

    assert client.delete("/v1/jobs?name=lecture").json()["remaining"] == 1
    assert client.delete("/v1/jobs?name=lecture").json()["jobs"] == done[2:]
    assert [job["id"] for job in client.get("/v1/jobs").json()["data"]] == [running]


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/v1/jobs"), ("POST", "/v1/jobs/cancel")])
def test_without_a_filter_nothing_is_changed(client: TestClient, database: Database, method: str, path: str) -> None:
    job_id = submit(database)
    problem = problem_of(client.request(method, path), 422)
    assert "at least one of the filters" in problem["detail"]
    assert client.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"
