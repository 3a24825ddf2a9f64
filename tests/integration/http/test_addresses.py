"""Addresses as people and proxies write them: a slash at the end, and a prefix before them."""

import re
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import ValidationError
from workbench import LECTURE, FakeQueue, submit

from service.api.app import create_app
from service.settings import Settings
from service.store.database import Database

Behind = Callable[[str], TestClient]


@pytest.fixture
def behind(settings: Settings, queue: FakeQueue) -> Behind:
    """The service behind a prefix."""
    return lambda prefix: TestClient(create_app(settings.model_copy(update={"root_path": prefix}), queue))


# the slash at the end


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/datasets", "/v1/sweeps", "/v1/devices", "/livez", "/v2", "/docs"])
def test_both_spellings_of_a_slash_at_the_end_are_served(client: TestClient, path: str) -> None:
    bare, slashed = (client.get(each, follow_redirects=False) for each in (path, f"{path}/"))

    assert slashed.status_code == bare.status_code == 200
    assert slashed.content == bare.content


def test_a_body_is_taken_with_a_slash_at_the_end(client: TestClient, database: Database) -> None:
    answer = client.post("/v1/jobs/", json=LECTURE, follow_redirects=False)

    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    assert client.get(f"{answer.headers['location']}/epochs/").status_code == 200
    table = client.post("/v1/datasets/", content="a,b\n1,2\n2,4\n", headers={"Content-Type": "text/csv"})
    assert table.status_code == 201


def test_no_answer_leads_to_the_host_that_a_request_names(client: TestClient) -> None:
    for path in ("/v1/jobs/", "/v1//jobs", "//evil.example/", "/docs/"):
        answer = client.get(path, headers={"Host": "localhost"}, follow_redirects=False)
        assert "location" not in answer.headers
        assert answer.status_code in (200, 404)


# the prefix


@pytest.mark.parametrize("strips", [True, False])
def test_behind_a_prefix_everything_leads_back_to_it(behind: Behind, strips: bool) -> None:
    client, before = behind("/slope"), "" if strips else "/slope"
    answer = client.post(f"{before}/v1/jobs", json=LECTURE)

    assert answer.headers["location"] == f"/slope/v1/jobs/{answer.json()['id']}"
    assert client.get(answer.headers["location"].removeprefix("/slope" if strips else "")).json()["name"] == "lecture"
    table = client.post(f"{before}/v1/datasets/", content="a,b\n1,2\n2,4\n", headers={"Content-Type": "text/csv"})
    assert table.headers["location"].startswith("/slope/v1/datasets/")
    lost = ("/nowhere", "/static-offline-docs/nowhere")
    for url, status in (("/v1/jobs/x", 422), ("/v1/jobs?x=1", 422), *((path, 404) for path in lost)):
        answer = client.get(before + url)
        assert answer.status_code == status
        assert answer.json()["type"].startswith("/slope/problems/")


@pytest.mark.parametrize("strips", [True, False])
@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_behind_a_prefix_the_documentation_finds_what_it_needs(behind: Behind, page: str, strips: bool) -> None:
    client, before = behind("/slope"), "" if strips else "/slope"
    text = client.get(before + page).text

    links = set(re.findall(r"""(?:src=|href=|spec-url=|url: )["']([^"']+)["']""", text))
    assert any(link.endswith("openapi.json") for link in links)
    for link in links:
        assert link.startswith("/slope/")
        assert client.get(link.removeprefix("/slope" if strips else "")).status_code == 200, link
    assert client.get(f"{before}/openapi.json").json()["servers"] == [{"url": "/slope"}]


def test_behind_a_prefix_the_details_name_it_as_well(behind: Behind) -> None:
    for method, path in (("GET", "/nowhere"), ("PUT", "/v1/jobs")):
        assert "/slope/docs lists all calls" in behind("/slope").request(method, path).json()["detail"]


def test_a_name_that_begins_as_the_prefix_is_another(behind: Behind) -> None:
    assert behind("/slope").get("/slopes/v1/jobs").status_code == 404
    assert behind("/slope").get("/slope").status_code == behind("/slope").get("/").status_code


def test_the_inference_protocol_has_its_errors_behind_a_prefix(behind: Behind) -> None:
    problem = behind("/a/b").get("/a/b/v2/models/x").json()

    assert problem["error"] == problem["detail"]


@pytest.mark.parametrize(("given", "taken"), [("slope", "/slope"), ("/slope/", "/slope"), ("/a/b", "/a/b"), ("/", "")])
def test_a_prefix_is_taken_as_it_is_usually_written(given: str, taken: str) -> None:
    assert Settings(root_path=given).root_path == taken


@pytest.mark.parametrize("given", ["https://slope.example", "/a b", "/v1", "/v2/x", "/%2e"])
def test_what_is_no_path_is_no_prefix(given: str) -> None:
    with pytest.raises(ValidationError, match="/slope"):
        Settings(root_path=given)


def test_a_job_is_found_whatever_a_proxy_makes_of_its_address(app: FastAPI, database: Database) -> None:
    job_id = submit(database)
    with TestClient(app) as client:
        assert client.get(f"/v1/jobs/{job_id}/").headers["etag"] == client.get(f"/v1/jobs/{job_id}").headers["etag"]
