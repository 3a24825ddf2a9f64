"""The service's own address, and those of problems, lead on: as pages for people, as JSON for programs."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from workbench import FakeQueue, problem_of

from service.api.app import create_app
from service.api.dashboard import Dashboard
from service.errors import error_kinds
from service.settings import Settings
from slope import __version__

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def links(page: str) -> list[str]:
    return re.findall(r'href="([^"]+)"', page)


def test_the_service_s_address_says_what_it_is_and_where_it_goes_on(client: TestClient) -> None:
    told = client.get("/").json()

    assert (told["name"], told["version"]) == ("Slope", __version__)
    assert {"documentation", "jobs", "health", "problems"} <= told["links"].keys()
    for address in told["links"].values():
        assert client.get(address).status_code in (200, 503), address


def test_where_no_dashboard_was_built_a_browser_is_shown_a_page_whose_links_lead_somewhere(
    client: TestClient, app: FastAPI, tmp_path: Path
) -> None:
    app.state.dashboard = Dashboard(tmp_path)
    answer = client.get("/", headers=BROWSER)

    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "dashboard was not built" in answer.text
    assert len(links(answer.text)) > 5
    for address in links(answer.text):
        assert client.get(address).status_code in (200, 503), address


def test_the_type_of_a_problem_is_an_address_that_explains_it(client: TestClient) -> None:
    problem = problem_of(client.get("/v1/jobs?x=1"), 422)
    told = client.get(problem["type"]).json()

    assert told == {
        "type": problem["type"],
        "title": problem["title"],
        "status": 422,
        "meaning": error_kinds()["invalid-request"].meaning(),
    }
    page = client.get(problem["type"], headers=BROWSER).text
    assert problem["title"] in page
    assert "<code>errors</code>" in page


@pytest.mark.parametrize("type", error_kinds())
def test_every_problem_has_a_meaning_of_its_own_at_its_address(client_without_data: TestClient, type: str) -> None:
    meaning = client_without_data.get(f"/problems/{type}").json()["meaning"]

    assert [kind.type for kind in error_kinds().values() if kind.meaning() == meaning] == [type]


def test_all_problems_are_listed(client: TestClient) -> None:
    listed = client.get("/problems").json()

    assert [each["type"] for each in listed] == [f"/problems/{type}" for type in error_kinds()]
    assert set(links(client.get("/problems", headers=BROWSER).text)) == {each["type"] for each in listed}


def test_what_is_no_problem_is_not_found(client: TestClient) -> None:
    problem_of(client.get("/problems/nothing"), 404)


def test_behind_a_prefix_they_lead_back_to_it(settings: Settings, queue: FakeQueue) -> None:
    client = TestClient(create_app(settings.model_copy(update={"root_path": "/slope"}), queue))

    assert all(address.startswith("/slope/") for address in client.get("/slope").json()["links"].values())
    assert client.get("/slope/problems/not-found").json()["type"] == "/slope/problems/not-found"
    assert all(address.startswith("/slope/") for address in links(client.get("/", headers=BROWSER).text))


@pytest.fixture(scope="module")
def client_without_data(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    return TestClient(create_app(Settings(data_dir=tmp_path_factory.mktemp("data")), FakeQueue()))
