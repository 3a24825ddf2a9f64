"""What a request may cost: each route says how it is bounded, searches have places and an end."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy import text
from workbench import LECTURE, problem_of

from service.api.dependencies import Turn
from service.api.guards.route_guards import _all
from service.api.lanes import Lane
from service.errors import SearchTooLong, TooBusy
from service.store.database import Database

LIMIT = 30.0
RECORDED = LECTURE | {"hyperparameters": LECTURE["hyperparameters"] | {"record": {"steps": "all"}}}

TURNS = {
    "GET /v1/jobs/{job_id}/charts/fit",
    "GET /v1/jobs/{job_id}/charts/gradient",
    "GET /v1/jobs/{job_id}/charts/loss",
    "GET /v1/jobs/{job_id}/charts/surface",
    "GET /v1/jobs/{job_id}/charts/weights",
    "GET /v1/jobs/{job_id}/epochs/{epoch}/audit",
    "GET /v1/jobs/{job_id}/epochs/{epoch}/steps",
    "GET /v1/jobs/{job_id}/epochs/{epoch}/steps/{step}/graph",
    "GET /v1/jobs/{job_id}/influence",
    "GET /v1/jobs/{job_id}/model",
    "GET /v1/jobs/{job_id}/path",
    "GET /v1/jobs/{job_id}/statistics",
    "GET /v1/jobs/{job_id}/surface",
    "POST /v1/graphs",
    "POST /v1/jobs/{job_id}/predict",
}
"""They compute: two at a time, eight wait, and none for a client that has gone."""
LANES = {
    "DELETE /v1/jobs",
    "GET /v1/datasets/{dataset_id}/rows",
    "GET /v1/jobs",
    "GET /v1/jobs/{job_id}/epochs",
    "GET /v1/jobs/{job_id}/report",
    "GET /v1/sweeps",
    "POST /v1/jobs/cancel",
    "POST /v1/plan",
    "POST /v1/sweeps",
}
"""They look at much, where their query asks for that."""


def kinds_of(app: FastAPI) -> dict[str, str]:
    found = {}
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            needed = [each.call for each in _all(route.dependant)]
            takes_turn = any(getattr(call, "__annotations__", {}).get("return") is Turn for call in needed)
            in_lane = any(getattr(call, "__module__", "") == "service.api.lanes" for call in needed)
            kind = "turn" if takes_turn else "lane" if in_lane else "cheap"
            found |= {f"{method} {route.path}": kind for method in route.methods}
    return found


def test_what_computes_takes_turns_and_what_looks_at_much_has_places(app: FastAPI) -> None:
    kinds = kinds_of(app)
    assert {route for route, kind in kinds.items() if kind == "turn"} == TURNS
    assert {route for route, kind in kinds.items() if kind == "lane"} == LANES


def test_some_have_places_some_wait_and_the_next_is_refused() -> None:
    async def main() -> None:
        lane, let_go, begun = Lane(1), asyncio.Event(), []

        async def look() -> None:
            async with lane.place():
                begun.append(1)
                await let_go.wait()

        looks = [asyncio.create_task(look()) for _ in range(9)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(TooBusy):
            await look()
        assert len(begun) == 1
        let_go.set()
        await asyncio.gather(*looks)
        assert len(begun) == 9
        await look()

    asyncio.run(asyncio.wait_for(main(), LIMIT))


@pytest.mark.parametrize("address", ["/v1/jobs?q=lecture", "/v1/jobs?metadata[course]=a", "/v1/jobs?sort=loss"])
def test_a_search_is_refused_while_as_many_are_under_way_as_may_be_and_a_page_is_not(
    app: FastAPI, client: TestClient, address: str
) -> None:
    app.state.lanes.searches._most = 0
    problem = problem_of(client.get(address), 503)
    assert problem["type"] == "/problems/too-busy"
    assert client.get("/v1/jobs?status=queued").status_code == 200


def test_points_of_recorded_steps_have_a_place_and_a_page_of_them_needs_none(
    app: FastAPI, client: TestClient, trained: Callable[[dict[str, Any]], UUID]
) -> None:
    steps = f"/v1/jobs/{trained(RECORDED)}/epochs/0/steps"
    assert client.get(f"{steps}?points=4").status_code == 200
    app.state.lanes.searches._most = 0
    assert problem_of(client.get(f"{steps}?points=4"), 503)["type"] == "/problems/too-busy"
    assert client.get(steps).status_code == 200


SLOW = {
    "sqlite": "WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many) SELECT max(n) FROM many",
    "postgresql": "SELECT pg_sleep(60)",
}


def test_a_search_that_takes_too_long_is_given_up_and_the_next_is_not(database: Database) -> None:
    with pytest.raises(SearchTooLong), database.reading(longest=0.05) as session:
        session.execute(text(SLOW["sqlite" if database.is_sqlite else "postgresql"]))
    with database.reading() as session:
        assert session.scalar(text("SELECT 1")) == 1


def test_the_client_is_told_how_to_narrow_a_search(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    def give_up(*_: Any, **__: Any) -> Callable[..., Any]:
        raise SearchTooLong

    monkeypatch.setattr("service.jobs.many.list_jobs", give_up)
    problem = problem_of(client.get("/v1/jobs?q=anything"), 422)
    assert problem["type"] == "/problems/search-too-long"
    assert "dataset_id" in problem["detail"]


@pytest.mark.parametrize(
    "error",
    [MemoryError("no more"), OSError(24, "Too many open files"), RuntimeError("can't start new thread")],
    ids=["memory", "files", "threads"],
)
def test_what_the_system_cannot_give_is_answered_503(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("service.jobs.many.list_jobs", fail)
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/v1/jobs")
    assert problem_of(answer, 503)["type"] == "/problems/out-of-resources"
    assert answer.headers["retry-after"]
