"""A run that goes on is followed by few requests, and by none from a hidden page; whatever happens to the service,
no epoch is left out."""

import os
import re
import signal
from uuid import UUID

from e2e.jobs import endless, some_seconds
from e2e.processes import until
from e2e.services import Serve
from playwright.sync_api import Browser, Page, expect

from browser.proxies import HoldingProxy
from browser.reading import drawn_epochs, set_visibility, used_heap
from slope.client import Client

WINDOWS = 7
"""One more than a browser has connections for a service that speaks HTTP/1.1."""
MOST_HEAP = 60_000_000


def test_a_run_is_followed_by_few_requests_and_a_hidden_page_asks_nothing(page: Page, service: Serve) -> None:
    with service.client as client:
        job_id = client.submit(endless()).id
        page.goto(f"/jobs/{job_id}")
        expect(page.get_by_text("every extreme of loss and gradient kept")).to_be_visible()
        page.wait_for_timeout(2000)  # what was asked for together when the page was opened is behind it
        asked, begun = list[str](), page.evaluate("performance.now()")
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_timeout(3000)
        assert 1 < len(asked) <= 4 * (page.evaluate("performance.now()") - begun) / 1000, asked

        set_visibility(page, "hidden")
        page.wait_for_timeout(500)  # what was on its way
        asked.clear()
        page.wait_for_timeout(1500)
        assert asked == []
        set_visibility(page, "visible")
        until(lambda: page.wait_for_timeout(50) or asked)
        assert used_heap(page) <= MOST_HEAP
        client.cancel(job_id)
    expect(page.locator(".page-head .status")).to_have_text("cancelled")


def test_seven_windows_follow_a_run_over_the_death_of_the_api_and_a_click_is_answered(
    chromium: Browser, service: Serve
) -> None:
    with service.client as client, chromium.new_context(base_url=service.url) as context:
        job_id = client.submit(some_seconds(1000)).id
        pages = [context.new_page() for _ in range(WINDOWS)]
        for page in pages:
            page.goto(f"/jobs/{job_id}")
        for page in pages:
            expect(page.get_by_role("region", name="Loss", exact=True)).to_be_visible()
        os.kill(service.child("service.api"), signal.SIGKILL)
        until(lambda: service.is_ready)
        _go_on(client, job_id)

        pages[0].get_by_role("button", name="Cancel").click()

        for page in pages:
            expect(page.locator(".page-head .status")).to_have_text("cancelled")
            expect(page.get_by_text("Last update")).to_have_count(0)
        recorded = client.job(job_id).progress.epochs_done
        for page in (pages[0], pages[-1]):
            assert drawn_epochs(page) == list(range(recorded))


def test_behind_a_proxy_that_keeps_streams_back_a_page_becomes_current_and_says_how_old_it_is(
    chromium: Browser, service: Serve
) -> None:
    with (
        HoldingProxy(service.url) as proxy,
        service.client as client,
        chromium.new_context(base_url=proxy.url) as context,
    ):
        job_id = client.submit(some_seconds(150)).id
        page = context.new_page()
        page.clock.install()
        page.goto(f"/jobs/{job_id}")
        expect(page.get_by_role("region", name="Loss", exact=True)).to_be_visible()
        _go_on(client, job_id)

        proxy.go_away()
        page.clock.fast_forward(12_000)
        expect(page.get_by_text(re.compile(r"Last update 1\d(\.\d)? s ago"))).to_be_visible()
        expect(page.get_by_role("region", name="Loss", exact=True)).to_be_visible()
        proxy.come_back()

        expect(page.locator(".page-head .status")).to_have_text("succeeded")
        expect(page.get_by_text("Last update")).to_have_count(0)
        assert drawn_epochs(page) == list(range(150))


def _go_on(client: Client, job_id: UUID) -> None:
    """Wait until the run has recorded more than it had."""
    before = client.job(job_id).progress.epochs_done
    until(lambda: client.job(job_id).progress.epochs_done > before)
