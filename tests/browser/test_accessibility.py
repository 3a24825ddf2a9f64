"""axe finds nothing on any page, light and dark, wide, narrow and enlarged, and no page is wider than its window."""

import json
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from e2e.services import Serve
from playwright.sync_api import Browser, Page, expect

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
_WIDTHS = {"wide": 1280, "zoomed": 640, "phone": 390}
"""Of windows: 640 is 1280 at 200 %."""
_OF_COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
"""What another scheme of colours may change in a page that is as wide."""


def test_axe_finds_nothing(chromium: Browser, service: Serve, known: dict[str, str]) -> None:
    with chromium.new_context(base_url=service.url, color_scheme="light", reduced_motion="reduce") as context:
        page = context.new_page()
        for name, (address, heading) in PAGES.items():
            page.goto(address.format(**known))
            expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
            page.wait_for_load_state("networkidle")
            page.evaluate(AXE_SCRIPT)
            for looks, width in _WIDTHS.items():
                page.set_viewport_size({"width": width, "height": 900})
                for scheme, options in (("light", {}), ("dark", _OF_COLOURS)):
                    page.emulate_media(color_scheme=scheme)
                    keep_screenshot(page, f"{name}-{looks}-{scheme}")
                    assert _violations(page, options) == [], f"{name}, {looks}, {scheme}"
                assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than {looks}"


def _violations(page: Page, options: dict[str, Any]) -> list[tuple[str, str]]:
    """The rules that do not hold, each with an element."""
    asked = json.dumps({"resultTypes": ["violations"]} | options)
    found: list[tuple[str, str]] = page.evaluate(
        f"axe.run({asked}).then(({{violations}}) => violations.map(each => [each.id, each.nodes[0].html]))"
    )
    return found
