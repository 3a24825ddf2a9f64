"""What pages say of runs that broke, wait or pause, of formulas that are wrong, and of things that there are not."""

import re
from urllib.parse import urlsplit

from e2e.services import Serve
from playwright.sync_api import Page, expect

from browser.watching import Watched

NOBODY = "0199a000-0000-7000-8000-000000000000"


def test_a_run_that_broke_leads_to_the_step_where_it_did(page: Page, service: Serve) -> None:
    request = {"name": "broken", "dataset": {"x": [1, 2, 3], "y": [2, 4, 6]}, "hyperparameters": {"learning_rate": 1e9}}
    with service.client as client:
        job = client.wait(client.submit(request).id)
        assert job.error
        last = list(client.steps(job.id, job.progress.epochs_done))[-1]
    page.goto(f"/jobs/{job.id}")
    expect(page.get_by_text(job.error.detail or "")).to_be_visible()
    page.get_by_role("link", name="Walk the step where it broke").click()
    expect(page.get_by_role("heading", name=f"Epoch {last.epoch}, step {last.step}")).to_be_visible()
    expect(page.get_by_text("Here the run broke")).to_be_visible()
    expect(page.get_by_role("link", name="Step after")).to_have_count(0)


def test_a_job_and_its_epochs_are_asked_for_once_and_the_job_before_all_else(page: Page, lecture: str) -> None:
    asked = list[str]()
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page.goto(f"/jobs/{lecture}")
    expect(page.get_by_role("region", name="Loss", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Downloads")).to_be_visible()  # the last that is drawn
    calls, job = [path for path in asked if path.startswith("/v1/")], f"/v1/jobs/{lecture}"
    assert calls[0] == job
    assert (calls.count(job), calls.count(f"{job}/epochs")) == (1, 1)


def test_a_job_is_paused_resumed_and_cancelled(page: Page, service: Serve) -> None:
    slow = {"epochs": 10_000_000, "engine": "eager", "record": {"steps": "none", "every": 100_000}}
    with service.client as client:
        job = client.submit({"name": "slow", "dataset": {"x": [1, 2, 3], "y": [2, 4, 6]}, "hyperparameters": slow})
    page.goto(f"/jobs/{job.id}")
    status = page.locator("main .page-head .status")
    for button, word in (("Pause", "paused"), ("Resume", "running"), ("Cancel", "cancelled")):
        page.get_by_role("button", name=button, exact=True).click()
        expect(status).to_have_text(word)


def test_how_sure_a_fit_is_stands_in_a_table_and_in_the_size_of_its_points(page: Page, service: Serve) -> None:
    request = {
        "name": "leverage",
        "dataset": {"x": [1, 2, 3, 4, 20], "y": [1.1, 1.9, 3.2, 3.9, 12]},
        "hyperparameters": {"standardize": True, "batch_size": "full"},
        "cross_validation": 2,
    }
    with service.client as client:
        job = client.wait(client.submit(request).id)
        told = client.statistics(job.id)
        held = client.influence(job.id)
    page.goto(f"/jobs/{job.id}")
    coefficients = page.get_by_role("region", name="Coefficients, table").get_by_role("row")
    expect(coefficients).to_have_count(1 + len(told.coefficients))
    predicts = page.get_by_role("region", name="How well it predicts, table").get_by_role("row")
    expect(predicts.nth(1).get_by_role("cell").nth(1)).to_have_text("5")
    expect(predicts.last.get_by_role("cell").first).to_have_text("2 folds")
    page.get_by_label("Point size").select_option("leverage")
    expect(page).to_have_url(f"{service.url}/jobs/{job.id}?size=leverage")
    rows = page.get_by_role("region", name="Rows that hold the line, table").get_by_role("row")
    expect(rows.nth(1).get_by_role("cell").first).to_have_text("4")
    points = page.locator("section", has=page.get_by_role("heading", name="Fit")).locator(".points circle")
    radii = [float(each) for each in points.evaluate_all("all => all.map(each => each.getAttribute('r'))")]
    leverages = {row.row: row.leverage for row in held.data}
    assert sorted(range(5), key=radii.__getitem__) == sorted(range(5), key=leverages.__getitem__)


def test_a_fault_of_a_formula_stands_under_its_character(page: Page, watched: Watched) -> None:
    watched.expect(422)
    page.goto("/lab?f=(x*w - $)**2")
    expect(page.get_by_text("at character 7")).to_be_visible()
    mark = page.locator("#formula-fault pre")
    place = """element => {
        const range = document.createRange();
        range.setStart(element.firstChild, 7);
        range.setEnd(element.firstChild, 8);
        return range.getBoundingClientRect().left;
    }"""
    field = page.locator(".formula-input")
    character = field.evaluate(
        """element => {
            const style = getComputedStyle(element);
            const canvas = document.createElement("canvas").getContext("2d");
            canvas.font = style.font;
            const before = canvas.measureText(element.value.slice(0, 7)).width;
            return element.getBoundingClientRect().left + parseFloat(style.borderLeftWidth)
                + parseFloat(style.paddingLeft) + before;
        }"""
    )
    assert abs(mark.evaluate(place) - character) < 1
    expect(field).to_have_attribute("aria-invalid", "true")


def test_jobs_of_sweeps_are_listed_only_where_they_are_asked_for(page: Page, known: dict[str, str]) -> None:
    page.goto("/?q=rates")
    expect(page.get_by_text("No job is like that")).to_be_visible()
    page.get_by_label("Those of sweeps, too").check()
    expect(page.get_by_role("link", name="rates").first).to_be_visible()
    expect(page).to_have_url(re.compile("sweeps=1$"))


def test_of_what_there_is_not_a_page_says_so(page: Page, watched: Watched) -> None:
    watched.expect(404)
    for address, heading in (
        (f"/jobs/{NOBODY}", "Job"),
        (f"/jobs/{NOBODY}/epochs/0/steps/0", "Epoch 0, step 0"),
        (f"/datasets/{NOBODY}", "Dataset"),
        (f"/sweeps/{NOBODY}", "Sweep"),
        (f"/compare?job={NOBODY}", "Compare 1 run"),
        (f"/jobs/new?from={NOBODY}", "Run again with changes"),
    ):
        page.goto(address)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        expect(page.get_by_role("alert").first).to_contain_text(NOBODY)
