"""axe finds nothing on any page, light and dark, wide and narrow, and no page is wider than its window."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from e2e.services import Serve
from playwright.sync_api import Browser, expect

from browser.conftest import keep_screenshot

PAGES = {
    "jobs": ("/", "Jobs"),
    "new": ("/jobs/new?from={job}", "Run again with changes"),
    "job": ("/jobs/{job}?epoch=2", "lecture"),
    "compare": ("/compare?job={job}&job={job}", "Compare 2 runs"),
    "sweep": ("/sweeps/{sweep}", "rates"),
    "sweeps": ("/sweeps", "Sweeps"),
    "dataset": ("/datasets/{dataset}", "cars.csv"),
    "datasets": ("/datasets", "Datasets"),
    "workers": ("/devices", "Workers"),
    "lab": ("/lab?f=(x*w-y)**2&node=n2", "Lab"),
    "step": ("/jobs/{job}/epochs/0/steps/2?node=n2", "Epoch 0, step 2"),
}
_ZOOMED = 640
"""1280 at 200 %: of the pages with most on them."""
_DENSEST = [(name, PAGES[name]) for name in ("new", "job", "step")]


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (390, "dark"), (_ZOOMED, "dark")], ids=["wide", "phone", "zoomed"]
)
def test_axe_finds_nothing(chromium: Browser, service: Serve, known: dict[str, str], width: int, scheme: str) -> None:
    with chromium.new_context(
        base_url=service.url, viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    ) as context:
        page = context.new_page()
        for name, (address, heading) in PAGES.items():
            page.goto(address.format(**known))
            expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
            page.wait_for_load_state("networkidle")
            keep_screenshot(page, f"{name}-{width}-{scheme}")
            found = Axe().run(page).response["violations"]
            assert [(fault["id"], fault["nodes"][0]["html"]) for fault in found] == [], name
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than its window"
