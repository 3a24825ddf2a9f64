"""Queries are strict on every route: nothing unknown, and nothing twice that only one of can count."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from workbench import LECTURE, FakeQueue, problem_of, submit

from service.api.app import create_app
from service.api.routes import jobs
from service.settings import Settings
from service.store.database import Database

UNKNOWN = "stauts"


def operations(client: TestClient) -> Iterator[tuple[str, str, set[str]]]:
    """Method, path with something for each of its parameters, and the names that its query may have."""
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            asked = [each for each in operation.get("parameters", []) if each["in"] == "query"]
            names = {each["name"] + ("[key]" if each.get("style") == "deepObject" else "") for each in asked}
            filled = re.sub(r"\{(\w+)\}", lambda found: str(uuid4()) if found[1].endswith("_id") else "0", path)
            yield method.upper(), filled, names


def test_no_route_lets_a_parameter_pass_that_it_does_not_know(client: TestClient) -> None:
    seen = 0
    for method, path, _ in operations(client):
        answer = client.request(method, path, params={UNKNOWN: "1"})
        assert answer.status_code == 422, path
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"/query/{UNKNOWN}"]
        seen += 1
    assert seen > 30


def test_no_route_takes_a_parameter_twice_that_is_no_list(client: TestClient) -> None:
    seen = 0
    for method, path, names in operations(client):
        lists = {"status", "ids", "types", "one_hot", "expand", "missing"}
        for name in names - (lists | {"by"} if path.endswith("/epochs") else lists):
            answer = client.request(method, path, params={name: ["1", "2"]})
            assert answer.status_code == 422, (path, name)
            assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"/query/{name}"]
            assert "more than once" in answer.json()["detail"]
            seen += 1
    assert seen > 30


@pytest.mark.parametrize("number", ["1_0", " 10", "+10", "10.0", "1e1", "\uff11\uff10"])
def test_a_whole_number_is_written_in_digits(client: TestClient, number: str) -> None:
    job, number = f"/v1/jobs/{uuid4()}", quote(number)
    for path, pointer in (
        (f"/v1/jobs?limit={number}", "/query/limit"),
        (f"{job}/epochs?points={number}", "/query/points"),
        (f"{job}/epochs/0/steps/0/graph?expand={number}", "/query/expand/0"),
        (f"{job}/epochs/{number}/steps", "/path/epoch"),
    ):
        assert problem_of(client.get(path), 422)["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("query", "meant"),
    [("stauts=failed", "status"), ("Status=failed", "status"), ("metadata.course=c1", "metadata[key]")],
)
def test_the_nearest_name_is_told(client: TestClient, query: str, meant: str) -> None:
    problem = problem_of(client.get(f"/v1/jobs?{query}"), 422)

    assert f"did you mean `{meant}`?" in problem["errors"][0]["detail"]


def test_without_a_near_name_all_are_told(client: TestClient) -> None:
    assert "there is after, limit, name" in problem_of(client.get("/v1/datasets?zzz=1"), 422)["detail"]
    assert "nor any other" in problem_of(client.get("/livez?zzz=1"), 422)["detail"]


def test_several_statuses_mean_either(client: TestClient, database: Database, train: Callable[[UUID], None]) -> None:
    waiting, done = submit(database, LECTURE), submit(database, LECTURE)
    train(done)

    def listed(**statuses: list[str]) -> set[str]:
        return {job["id"] for job in client.get("/v1/jobs", params=statuses).json()["data"]}

    assert listed(status=["queued", "succeeded"]) == {str(waiting), str(done)}
    assert listed(status=["queued", "failed"]) == {str(waiting)}
    assert listed(status=["failed", "cancelled"]) == set()


def test_more_metadata_than_a_job_can_have_is_refused_before_the_database_is_asked(client: TestClient) -> None:
    def filtered(count: int) -> str:
        return "/v1/jobs?" + "&".join(f"metadata[k{number}]=v" for number in range(count))

    assert client.get(filtered(50)).json() == {"data": [], "next": None}
    problem = problem_of(client.get(filtered(1100)), 422)
    assert [fault["pointer"] for fault in problem["errors"]] == ["/query/metadata"]


def test_metadata_of_one_key_is_given_once(client: TestClient) -> None:
    problem = problem_of(client.get("/v1/jobs?metadata[a]=1&metadata[a]=2"), 422)

    assert [fault["pointer"] for fault in problem["errors"]] == ["/query/metadata[a]"]


@tried(max_examples=50, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(names=st.lists(st.text(st.characters(codec="utf-8"), max_size=100), min_size=1, max_size=30, unique=True))
def test_whatever_is_asked_is_known_or_refused(client: TestClient, names: list[str]) -> None:
    known = {"status", "ids", "q", "name", "dataset_id", "sweep_id", "sort", "after", "limit"}
    answer = client.get("/v1/jobs", params=dict.fromkeys(names, "1"))

    assert answer.status_code == 422 or all(name in known or name.startswith("metadata[") for name in names)
    assert answer.status_code < 500


def test_applications_do_not_change_each_others_routes(settings: Settings, queue: FakeQueue) -> None:
    first, second = (
        {route.path: route.app for route in create_app(settings, queue).routes if isinstance(route, APIRoute)}
        for _ in range(2)
    )

    assert first.keys() == second.keys()
    assert not {id(app) for app in first.values()} & {id(app) for app in second.values()}
    assert not any(route.app in first.values() for route in jobs.router.routes if isinstance(route, APIRoute))
