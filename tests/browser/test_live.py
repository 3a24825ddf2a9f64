"""A run that goes on is followed by few requests, and by none from a hidden page; whatever happens to the service,
no epoch is left out."""

import os
import re
import signal

from e2e.jobs import endless, request, some_seconds
from e2e.processes import until
from e2e.services import Serve
from playwright.sync_api import Browser, Locator, Page, Request, expect

from browser.proxies import HoldingProxy
from browser.reading import drawn_epochs, set_visibility, used_heap

WINDOWS = 7
"""One more than a browser has connections for a service that speaks HTTP/1.1."""
MOST_HEAP = 60_000_000


def test_a_run_is_followed_by_few_requests_and_a_hidden_page_asks_nothing(page: Page, service: Serve) -> None:
    with service.client as client:
        job_id = client.submit(endless()).id
        asked, under_way = list[str](), set[Request]()
        page.on("request", lambda request: asked.append(request.url))
        page.on("request", lambda request: under_way.add(request))  # playwright takes no method of a set
        page.on("requestfinished", lambda request: under_way.discard(request))
        page.on("requestfailed", lambda request: under_way.discard(request))

        def asks_little() -> bool:
            """But not while that comes which was asked for together when the page was opened."""
            asked.clear()
            begun = page.evaluate("performance.now()")
            page.wait_for_timeout(2000)
            return 1 < len(asked) <= 4 * (page.evaluate("performance.now()") - begun) / 1000

        page.goto(f"/jobs/{job_id}")
        expect(page.get_by_text("every extreme of loss and gradient kept")).to_be_visible()
        until(lambda: all(asks_little() for _ in range(3)))  # one window alone may be a pause between two bursts

        set_visibility(page, "hidden")
        until(lambda: page.wait_for_timeout(400) or not under_way)
        asked.clear()
        page.wait_for_timeout(1000)
        assert asked == []
        set_visibility(page, "visible")
        until(lambda: page.wait_for_timeout(50) or asked)
        assert used_heap(page) <= MOST_HEAP
        client.cancel(job_id)
    expect(_status(page)).to_have_text("cancelled")


def test_in_seven_windows_a_click_is_answered_and_all_of_them_see_what_it_did(
    chromium: Browser, service: Serve
) -> None:
    with service.client as client, chromium.new_context(base_url=service.url) as context:
        job_id = client.submit(request() | {"device": "cuda:99"}).id  # it waits for ever
        pages = [context.new_page() for _ in range(WINDOWS)]
        for page in pages:
            page.goto(f"/jobs/{job_id}")
            expect(_status(page)).to_have_text("queued")

        pages[0].get_by_role("button", name="Cancel").click()

        for page in pages:
            expect(_status(page)).to_have_text("cancelled")


def test_pages_follow_a_run_over_the_death_of_the_api_and_behind_a_proxy_that_keeps_streams_back(
    chromium: Browser, service: Serve
) -> None:
    with (
        HoldingProxy(service.url) as proxy,
        service.client as client,
        chromium.new_context() as context,
    ):
        job_id = service.halt_job(client, some_seconds(150))
        direct, behind = context.new_page(), context.new_page()
        behind.clock.install()
        for page, url in ((direct, service.url), (behind, proxy.url)):
            page.goto(f"{url}/jobs/{job_id}")
            expect(_chart(page)).to_be_visible()

        proxy.go_away()
        os.kill(service.child("service.api"), signal.SIGKILL)
        behind.clock.fast_forward(12_000)
        expect(behind.get_by_text(re.compile(r"Last update 1\d(\.\d)? s ago"))).to_be_visible()
        expect(_chart(behind)).to_be_visible()
        service.go_on()
        until(lambda: service.is_ready)
        proxy.come_back()

        for page in (direct, behind):
            expect(_status(page)).to_have_text("succeeded")
            expect(page.get_by_text("Last update")).to_have_count(0)
            assert drawn_epochs(page) == list(range(150))


def _status(page: Page) -> Locator:
    return page.locator(".page-head .status")


def _chart(page: Page) -> Locator:
    return page.get_by_role("region", name="Loss", exact=True)
