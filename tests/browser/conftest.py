"""A real service with a worker, and Chromium in front of it. Where one of them is not here, the tests are skipped."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.services import Serve

from browser.watching import Watched
from service.api.dashboard import BUILT

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not here")
LIMIT_MS = 120_000
"""Many times what anything takes: the first graph of a service loads torch, and a machine may be slow."""
playwright.expect.set_options(timeout=LIMIT_MS)
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def built() -> None:
    """The dashboard is there."""
    if not (BUILT / "index.html").is_file():
        assert not os.environ.get("CI"), "the dashboard was not built"
        pytest.skip("the dashboard was not built: python hatch_build.py")


@pytest.fixture(scope="session")
def service(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    with Serve(tmp_path_factory.mktemp("browser")) as serve:
        yield serve.start()


@pytest.fixture(scope="module")
def chromium() -> Iterator["playwright.Browser"]:
    """Ended with its module: as long as playwright is started, its event loop runs, and other tests cannot run one."""
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        assert "CI" not in os.environ, "there is no Chromium"
        pytest.skip("there is no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture
def watched(chromium: "playwright.Browser", service: Serve) -> Iterator[Watched]:
    """A new visitor's page. Whatever goes wrong in it, or leads elsewhere, fails the test at its end."""
    with chromium.new_context(base_url=service.url, viewport={"width": 1280, "height": 900}) as context:
        context.set_default_timeout(LIMIT_MS)
        watched = Watched(context.new_page(), service.url)
        yield watched
        assert watched.faults == []


@pytest.fixture
def page(watched: Watched) -> "playwright.Page":
    return watched.page


@pytest.fixture(scope="session")
def lecture(service: Serve) -> str:
    """The id of the lecture's job, which has succeeded."""
    from service.commands.demo import LECTURE

    with service.client as client:
        job = client.wait(client.submit(LECTURE).id)
    assert job.status == "succeeded"
    return str(job.id)


@pytest.fixture(scope="session")
def known(service: Serve, lecture: str) -> dict[str, str]:
    """Ids of a job, of a dataset and of a sweep over it that has ended."""
    with service.client as client:
        dataset = client.upload(CARS)
        request = {"name": "rates", "dataset": {"id": dataset.id}, "grid": {"learning_rate": [1e-4, 1e-3]}}
        sweep = client.wait_for_sweep(client.submit_sweep(request).id)
    return {"job": lecture, "dataset": str(dataset.id), "sweep": str(sweep.id)}


CARS = Path(__file__).parents[2] / "docs" / "tutorials" / "cars.csv"
SCREENSHOTS = os.environ.get("SCREENSHOTS")
"""A folder in which the tests leave a picture of every page, for people to look at."""


def keep_screenshot(page: "playwright.Page", name: str) -> None:
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)
