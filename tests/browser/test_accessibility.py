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
    "step": ("/jobs/{job}/epochs/0/steps/2?node=n2", "Epoch 0, step 2"),
}
_ZOOMED = 640
"""1280 at 200 %."""


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (390, "dark"), (_ZOOMED, "dark")], ids=["wide", "phone", "zoomed"]
)
def test_axe_finds_nothing(chromium: Browser, service: Serve, lecture: str, width: int, scheme: str) -> None:
    with chromium.new_context(
        base_url=service.url, viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    ) as context:
        page = context.new_page()
        for name, (address, heading) in PAGES.items():
            page.goto(address.format(job=lecture))
            expect(page.get_by_role("heading", name=heading)).to_be_visible()
            page.wait_for_load_state("networkidle")
            keep_screenshot(page, f"{name}-{width}-{scheme}")
            found = Axe().run(page).response["violations"]
            assert [(fault["id"], fault["nodes"][0]["html"]) for fault in found] == [], name
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than its window"
