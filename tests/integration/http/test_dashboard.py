"""The dashboard's addresses: one page for all, assets that browsers keep, and a sentence where nothing was built."""

import asyncio
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import brotli
import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from workbench import LECTURE, FakeQueue, problem_of

from service.api.app import create_app
from service.api.dashboard import Dashboard
from service.api.routes.reports import _Answers
from service.settings import Settings

Trained = Callable[[dict[str, Any]], UUID]

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
JOB = "/jobs/01a2188d-e09c-7511-ac70-a705b87e149a"
PAGES = (
    *("/", "/jobs/new", JOB, f"{JOB}/epochs/0/steps/2", "/compare", "/lab"),
    *("/sweeps", f"/sweeps{JOB[5:]}", "/datasets", f"/datasets{JOB[5:]}", "/devices"),
)
SCRIPT = b"document.title = 'Slope'\n" * 50


@pytest.fixture
def built(tmp_path: Path) -> Dashboard:
    folder = tmp_path / "built"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text('<script type="module" src="{root}/assets/app-1A2B.js"></script>')
    (folder / "report.html").write_text('<meta content="/jobs/{job}"><script id="answers">{answers}</script>')
    for suffix, content in (("", SCRIPT), (".gz", gzip.compress(SCRIPT)), (".br", brotli.compress(SCRIPT))):
        (folder / "assets" / f"app-1A2B.js{suffix}").write_bytes(content)
    return Dashboard(folder)


@pytest.fixture
def browser(client: TestClient, app: FastAPI, built: Dashboard) -> TestClient:
    app.state.dashboard = built
    client.headers.update(BROWSER)
    return client


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_there_after_a_reload_whatever_its_query(browser: TestClient, page: str) -> None:
    answer = browser.get(page, params={"epoch": "3", "node": "n2", "unknown": "1"})

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"
    assert '"/assets/app-1A2B.js"' in answer.text


def test_the_policy_lets_nothing_in_from_elsewhere_and_no_script_that_is_written_into_a_page(
    browser: TestClient,
) -> None:
    policy = dict(part.strip().split(" ", 1) for part in browser.get("/").headers["content-security-policy"].split(";"))

    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, br", "br"),
        ("gzip;q=1.0, br;q=0", "gzip"),
        ("gzip, br; q=0.000", "gzip"),
        ("gzip;q=0.5", "gzip"),
        ("gzip;q=0.5, br;Q=0.001", "br"),
        ("", None),
    ],
)
def test_assets_are_sent_as_they_were_compressed_and_kept_for_ever(
    browser: TestClient, accepted: str, coding: str | None
) -> None:
    answer = browser.get("/assets/app-1A2B.js", headers={"Accept-Encoding": accepted, "Accept": "*/*"})

    assert answer.headers.get("content-encoding") == coding
    assert answer.content == SCRIPT
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["vary"].split(", ")[0] == "Accept-Encoding"
    assert answer.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("name", ["app.js", "app-1A2B.js.gz", "..%2Findex.html", "index.html"])
def test_nothing_but_assets_is_an_asset(browser: TestClient, name: str) -> None:
    problem_of(browser.get(f"/assets/{name}"), 404)


def test_behind_a_prefix_the_page_loads_its_assets_from_there(
    settings: Settings, queue: FakeQueue, built: Dashboard
) -> None:
    app = create_app(settings.model_copy(update={"root_path": "/slope"}), queue)
    app.state.dashboard = built
    client = TestClient(app, headers=BROWSER)

    for page in ("/slope", f"/slope{JOB}"):
        assert '"/slope/assets/app-1A2B.js"' in client.get(page).text
    assert client.get("/slope/assets/app-1A2B.js").content == SCRIPT


@pytest.mark.parametrize("page", PAGES[1:])
def test_where_nothing_was_built_every_page_says_so_and_how_to_build_it(
    client: TestClient, app: FastAPI, tmp_path: Path, page: str
) -> None:
    app.state.dashboard = Dashboard(tmp_path)
    answer = client.get(page, headers=BROWSER)

    assert answer.status_code == 503
    assert "was not built" in answer.text
    assert "python hatch_build.py" in answer.text


def test_programs_are_told_in_json_what_the_service_is(browser: TestClient) -> None:
    assert browser.get("/", headers={"Accept": "*/*"}).json()["name"] == "Slope"


def test_a_report_holds_the_answers_that_its_pages_ask_for(browser: TestClient, trained: Trained) -> None:
    name = "</script><script>alert(1)</script>"
    job_id = trained(LECTURE | {"name": name})
    answer = browser.get(f"/v1/jobs/{job_id}/report", headers={"Accept": "*/*"})
    found = re.fullmatch(r'<meta content="(.*)"><script id="answers">(.*)</script>', answer.text)

    assert answer.headers["content-type"].startswith("text/html")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert found is not None
    assert found[1] == f"/jobs/{job_id}"
    assert "<" not in found[2]
    answers = json.loads(found[2])
    job = f"/v1/jobs/{job_id}"
    assert answers[job]["name"] == name
    assert len(answers[f"{job}/epochs"]["data"]) == 10
    graphs = [address for address in answers if address.endswith("/graph")]
    assert len(graphs) == 30
    assert answers[f"{job}/epochs/0/steps/2/graph"]["gradient"]["weights"] == [pytest.approx(-16.2288017)]
    for address in (f"{job}/predictions", f"{job}/surface", f"{job}/events"):
        assert answers[address] == browser.get(address, headers={"Accept": "*/*"}).json()


def test_of_many_steps_a_report_has_those_of_the_first_epochs_and_of_the_last(
    browser: TestClient, trained: Trained
) -> None:
    job_id = trained({"dataset": {"x": list(range(25)), "y": [1] * 25}, "hyperparameters": {"epochs": 9}})
    page = browser.get(f"/v1/jobs/{job_id}/report", headers={"Accept": "*/*"}).text

    assert sorted(set(re.findall(r"/epochs/(\d+)/steps/\d+/graph", page))) == ["0", "1", "8"]
    assert len(re.findall(r"/steps/\d+/graph", page)) == 60


@pytest.mark.parametrize(("scale", "steps"), [(1e200, ["0"]), (1.0, ["0", "1"])], ids=["its first step", "a later one"])
def test_a_report_of_a_job_that_broke_in_its_first_epoch_has_the_steps_before(
    browser: TestClient, trained: Trained, scale: float, steps: list[str]
) -> None:
    asked = {"learning_rate": 1e100, "dtype": "float64", "epochs": 1, "initial_weights": [1.0]}
    data = {"x": [scale, 2 * scale, 3 * scale], "y": [2, 4, 6]}
    job_id = trained({"dataset": data, "hyperparameters": asked})
    page = browser.get(f"/v1/jobs/{job_id}/report", headers={"Accept": "*/*"}).text

    assert re.findall(r"/epochs/0/steps/(\d+)/graph", page) == steps


@pytest.mark.parametrize(("rows", "rate"), [(8, 10.0), (30, 0.6)], ids=["few steps", "many"])
def test_a_report_of_a_job_that_broke_late_has_the_steps_before_that(
    browser: TestClient, trained: Trained, rows: int, rate: float
) -> None:
    x = [1.0 + number / rows for number in range(rows)]
    job_id = trained(
        {
            "dataset": {"x": x, "y": [1.0] * rows},
            "hyperparameters": {"learning_rate": rate, "epochs": 200, "dtype": "float64", "engine": "eager"},
        }
    )
    job = browser.get(f"/v1/jobs/{job_id}", headers={"Accept": "*/*"}).json()
    epoch, step = map(int, re.findall(r"in epoch (\d+), step (\d+)", job["error"]["detail"])[0])
    assert epoch > 1
    assert step > 1
    page = browser.get(f"/v1/jobs/{job_id}/report", headers={"Accept": "*/*"}).text

    walked = re.findall(rf"/epochs/{epoch}/steps/(\d+)/graph", page)
    assert walked == [str(number) for number in range(max(step - 20, 0), step)]
    assert len(re.findall(r"/steps/\d+/graph", page)) == 60


def test_a_report_asks_for_a_step_that_is_not_recorded_in_the_first_epoch_alone() -> None:
    epochs, asked = {"data": [{"epoch": 0}, {"epoch": 7}]}, []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.path)
        found = {"/v1/jobs/1": {"dataset": {"id": "2"}}, "/v1/jobs/1/epochs": epochs}.get(request.url.path)
        return httpx2.Response(200 if found else 404, json=found)

    async def gather() -> None:
        transport = httpx2.MockTransport(answer)
        async with httpx2.AsyncClient(transport=transport, base_url="http://slope") as service:
            await _Answers(service, "/v1/jobs/1").gather()

    asyncio.run(gather())

    assert "/v1/jobs/1/epochs/7/steps" in asked
    assert [path for path in asked if path.endswith("/graph")] == ["/v1/jobs/1/epochs/0/steps/0/graph"]


def test_a_report_of_no_job_is_not_found_and_without_a_dashboard_there_is_none(
    browser: TestClient, trained: Trained, app: FastAPI, tmp_path: Path
) -> None:
    problem_of(browser.get(f"/v1{JOB}/report", headers={"Accept": "*/*"}), 404)
    app.state.dashboard = Dashboard(tmp_path)
    problem = problem_of(browser.get(f"/v1/jobs/{trained(LECTURE)}/report", headers={"Accept": "*/*"}), 501)
    assert problem["type"] == "/problems/dashboard-not-built"
