"""The lecture in the dashboard: by clicks alone, by keyboard alone, and by the links that both leave in the address."""

import re
from pathlib import Path

import httpx2
from e2e.services import Serve
from playwright.sync_api import Browser, Locator, Page, expect


def test_the_lecture_by_clicks_alone(page: Page, service: Serve) -> None:
    page.goto("/")
    page.get_by_role("link", name="New job").first.click()
    page.get_by_role("button", name="Train the lecture’s job").click()

    expect(page.get_by_text("succeeded").first).to_be_visible()
    cells = page.get_by_role("region", name="Predictions, table").get_by_role("cell")
    expect(cells).to_have_text(["4", "4", "7.8049", "7.8049"])

    page.get_by_role("slider", name="Epoch", exact=True).fill("0")
    expect(page.get_by_text("After epoch 0")).to_be_visible()
    steps = page.get_by_role("region", name="Steps of epoch 0, table").get_by_role("row")
    expect(steps.nth(1)).to_contain_text("−2")
    expect(steps.nth(3)).to_contain_text("−16.2288")
    page.get_by_role("link", name="Walk the chain rule of step 2").click()
    _walk_to_the_end(page)


def _walk_to_the_end(page: Page) -> None:
    said = page.get_by_text("No gradient has arrived anywhere yet")
    expect(said).to_be_visible()
    expect(page.get_by_text("∂ = −5.4096")).to_have_count(0)  # blank before it has arrived, and no 0
    page.get_by_role("button", name="Go backward").click()
    for _ in range(3):
        page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("what arrived is left in .grad")).to_contain_text("−16.2288017")
    expect(page.get_by_text("w ← w − η · ∂L/∂w")).to_contain_text("= 1.0984 − 0.01 · (−16.2288) = 1.26069")


def test_the_lecture_by_keyboard_alone(page: Page, service: Serve) -> None:
    """From the first page: whatever is used is reached by Tab."""
    page.goto("/")
    _reach(page, page.get_by_role("link", name="New job").first)
    page.keyboard.press("Enter")
    _fill(page, "Rows of numbers, the target last; names above them if you like", "1, 2\n2, 4\n3, 6")
    _fill(page, "learning rate", "0.01")
    _reach(page, page.get_by_label("fit bias"))
    page.keyboard.press("Space")
    _fill(page, "initial weights", "1")
    _fill(page, "predict", "4")
    _fill(page, "name", "by keyboard")
    _reach(page, page.get_by_role("button", name="Train", exact=True))
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="by keyboard")).to_be_visible()
    expect(page.get_by_text("succeeded").first).to_be_visible()
    cells = page.get_by_role("region", name="Predictions, table").get_by_role("cell")
    expect(cells).to_have_text(["4", "4", "7.8049", "7.8049"])

    slider = page.get_by_role("slider", name="Epoch", exact=True)
    expect(slider).to_have_attribute("aria-valuetext", re.compile("epoch 9, loss 0.0318543"))
    _reach(page, slider)
    page.keyboard.press("Home")
    expect(page.get_by_text("Before training", exact=True)).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("epoch 0, loss 7.31594"))
    steps = page.get_by_role("region", name="Steps of epoch 0, table").get_by_role("row")
    expect(steps.nth(1)).to_contain_text("−2")
    expect(steps.nth(3)).to_contain_text("−16.2288")

    chart = page.get_by_role("slider", name="Loss over epochs")
    _reach(page, chart)
    page.keyboard.press("ArrowRight")
    expect(chart).to_have_attribute("aria-valuenow", "1")
    expect(page).to_have_url(re.compile("[?]epoch=1$"))
    page.keyboard.press("ArrowLeft")

    expect(page.get_by_role("heading", name="Steps of epoch 0")).to_be_visible()
    _reach(page, page.get_by_role("link", name="Walk the chain rule of step 2"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Epoch 0, step 2")).to_be_visible()
    _reach(page, page.get_by_role("button", name="Go backward"))
    page.keyboard.press("End")
    expect(page.get_by_text("what arrived is left in .grad")).to_contain_text("−16.2288")


MOST_TABS = 120


def _reach(page: Page, goal: Locator) -> None:
    """By Tab, as often as it takes."""
    expect(goal).to_be_visible()
    for _ in range(MOST_TABS):
        if goal.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{goal} is not reached by Tab")


def _fill(page: Page, label: str, text: str) -> None:
    field = page.get_by_label(label, exact=True)
    _reach(page, field)
    page.keyboard.type(text)
    expect(field).to_have_value(text)


def test_a_view_is_a_link_that_a_fresh_browser_restores(page: Page, lecture: str) -> None:
    page.goto(f"/jobs/{lecture}?epoch=3&scale=linear&gradient=0&from=2&to=6")
    expect(page.get_by_text("After epoch 3")).to_be_visible()
    expect(page.get_by_role("button", name="linear")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("combobox", name="Part of the gradient")).to_have_value("0")
    page.reload()
    expect(page.get_by_text("After epoch 3")).to_be_visible()


def test_names_from_users_are_text(page: Page, service: Serve) -> None:
    name = "<img src=x onerror=\"document.title='owned'\"><b>bold</b>"
    with service.client as client:
        request = {"name": name, "dataset": {"x": [1, 2], "y": [2, 4], "features": [name], "target": "<i>y</i>"}}
        job = client.wait(client.submit(request).id)
    page.goto("/")
    expect(page.get_by_role("link", name=name)).to_be_visible()
    page.goto(f"/jobs/{job.id}")
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(page.locator("main img, main b > b, .picture i")).to_have_count(0)
    assert "owned" not in page.title().replace(name, "")


def test_a_report_is_one_file_that_is_walked_without_any_request(
    chromium: Browser, service: Serve, lecture: str, tmp_path: Path
) -> None:
    file = tmp_path / "lecture.html"
    file.write_bytes(httpx2.get(f"{service.url}/v1/jobs/{lecture}/report", timeout=30).content)
    assert file.stat().st_size <= 300_000
    with chromium.new_context(offline=True) as context:
        page, asked = context.new_page(), []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        page.get_by_role("slider", name="Epoch", exact=True).fill("0")
        expect(page.get_by_role("heading", name="Steps of epoch 0")).to_be_visible()
        page.get_by_role("link", name="Walk the chain rule of step 2").click()
        _walk_to_the_end(page)
    assert asked == [file.as_uri()]
