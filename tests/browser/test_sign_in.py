"""Signing in with a key: to the page that was wanted, with a cookie that no script reads, and out again."""

from collections.abc import Iterator
from threading import Thread
from time import sleep

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from browser.watching import Watched
from service.access.keys import create_key
from service.api.app import create_app
from service.queue import CeleryQueue, celery_app
from service.settings import Settings
from service.store.database import Database


@pytest.fixture
def key(database: Database) -> str:
    return create_key(database, "alice", "train").text


@pytest.fixture
def guarded(built: None, settings: Settings) -> Iterator[str]:
    """The address of a service that asks everybody for a key. It trains nothing: no worker is needed."""
    app = create_app(settings.model_copy(update={"auth": "required"}), CeleryQueue(celery_app(settings.broker)))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_reader_signs_in_where_the_way_led_and_out_again(chromium: Browser, guarded: str, key: str) -> None:
    with chromium.new_context(base_url=guarded) as context:
        watched = Watched(context.new_page(), guarded)
        page = watched.page
        watched.expect(401)
        page.goto("/datasets?name=cars")
        expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
        assert Axe().run(page).response["violations"] == []
        field, button = page.get_by_label("It begins with slope_"), page.get_by_role("button", name="Sign in")

        field.fill(key[:-1])
        button.click()
        expect(page.get_by_role("alert")).to_contain_text("This is no key")
        field.fill(key)
        field.press("Enter")

        expect(page).to_have_url(f"{guarded}/datasets?name=cars")
        expect(page.get_by_role("heading", name="Datasets")).to_be_visible()
        [cookie] = context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")  # type: ignore[typeddict-item]
        assert page.evaluate("document.cookie") == ""

        page.goto("/jobs/new")
        lecture = page.get_by_role("button", name="Train the lecture")
        expect(lecture).to_be_visible()
        session = {"owner": "alice", "scope": "read", "key_id": "4fJ2k0QxWv7A"}
        page.route("**/v1/session", lambda route: route.fulfill(json=session), times=1)
        page.reload()  # what a key that only looks would be refused is not offered to it
        expect(page.get_by_text("Your key looks and plans")).to_be_visible()
        expect(page.get_by_role("button", name="Train", exact=True)).to_be_disabled()
        expect(lecture).to_have_count(0)

        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
        assert context.cookies() == []
        page.goto("/")
        expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
        assert watched.faults == []
