"""The form of a new job: what is refused stands at its field, files come in, and nothing of a request is lost."""

from typing import Any

import pytest
from e2e.services import Serve
from playwright.sync_api import Page, expect

from browser.watching import Watched

REQUEST: dict[str, Any] = {
    "name": "again",
    "dataset": {
        "x": [[1, 5], [2, 3], [3, 4], [4, 1], [5, 9], [6, 2], [7, 8], [8, 7]],
        "y": [2, 4, 6, 8, 10, 12, 14, 16],
        "weights": [1, 1, 2, 1, 1, 1, 1, 1],
        "features": ["b", "a"],
    },
    "hyperparameters": {
        "epochs": 4,
        "learning_rate": 0.001,
        "batch_size": 2,
        "optimizer": {"name": "adam", "weight_decay": 0.01},
        "initial_weights": [0.5, -1],
        "validation_rows": [[6, 8]],
        "record": {"steps": "none"},
    },
    "predict": [[1, 2], [3, 4]],
    "device": "cpu",
    "timeout_seconds": 90,
    "cross_validation": 3,
    "metadata": {"course": "autograd", "room": "1 = 2"},
}


def test_every_field_of_a_request_is_asked_for_again(page: Page, service: Serve) -> None:
    with service.client as client:
        job = client.submit(REQUEST)
    page.goto(f"/jobs/new?from={job.id}")
    expect(page.get_by_label("cross validation")).to_have_value("3")
    expect(page.get_by_label("metadata")).to_have_value("course = autograd\nroom = 1 = 2")
    with page.expect_request(lambda sent: sent.method == "POST" and sent.url.endswith("/v1/jobs")) as posted:
        page.get_by_role("button", name="Train", exact=True).click()
    asked = posted.value.post_data_json
    dataset = asked.pop("dataset")
    assert asked == {name: value for name, value in REQUEST.items() if name != "dataset"}
    assert dataset == {"id": str(job.dataset.id), "features": ["b", "a"], "target": "y", "weights": "weights"}
    expect(page.get_by_role("heading", name="again")).to_be_visible()


def test_what_is_refused_stands_at_its_field_and_in_a_summary_that_has_the_focus(page: Page, watched: Watched) -> None:
    watched.expect(422)
    page.goto("/jobs/new")
    page.get_by_role("button", name="Take the lecture’s points").click()
    page.get_by_text("others", exact=False).first.click()
    page.get_by_label("clip norm").fill("-1")
    page.get_by_label("predict").fill("4\n1, five")
    summary = page.get_by_role("alert")
    with page.expect_response("**/v1/plan"):  # it comes after what was handed in, and leaves the summary
        page.get_by_label("cross validation").fill("1")
        page.get_by_role("button", name="Train", exact=True).click()
        expect(summary).to_be_focused()
    for name, pointer in (("clip norm", "/hyperparameters/clip_norm"), ("cross validation", "/cross_validation")):
        field = page.get_by_label(name)
        expect(field).to_have_attribute("aria-invalid", "true")
        summary.get_by_role("link", name=pointer).first.press("Enter")
        expect(field).to_be_focused()
    summary.get_by_role("link", name="/predict").first.press("Enter")
    expect(page.get_by_label("predict")).to_be_focused()


@pytest.mark.parametrize("way", ["chosen", "dropped"])
def test_a_file_is_taken_in_and_shown(page: Page, way: str) -> None:
    page.goto("/jobs/new")
    content = "hours,score\n1,2\n2,4\n3,6\n"
    if way == "chosen":
        page.get_by_role("button", name="File").click()
        file = {"name": "scores.csv", "mimeType": "text/csv", "buffer": content.encode()}
        page.get_by_label("Drop a file here").set_input_files(file)  # type: ignore[arg-type]
    else:
        transfer = page.evaluate_handle(
            "text => { const all = new DataTransfer(); all.items.add(new File([text], 'scores.csv')); return all; }",
            content,
        )
        page.get_by_label("Rows of numbers").dispatch_event("drop", {"dataTransfer": transfer})
    expect(page.get_by_label("Target")).to_have_value("score")
    expect(page.get_by_role("checkbox", name="hours")).to_be_checked()
    expect(page.get_by_role("img", name="3 rows: score by hours")).to_be_visible()
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_enabled()


def test_a_file_that_is_refused_is_read_again_as_the_form_says(page: Page, watched: Watched) -> None:
    watched.expect(422)
    page.goto("/jobs/new")
    page.get_by_role("button", name="File").click()
    content = "area;city;rent\n30,5;Bonn;300\n41;Ulm;350\n52;Bonn;500\n"
    file = {"name": "rents.csv", "mimeType": "text/csv", "buffer": content.encode()}
    page.get_by_label("Drop a file here").set_input_files(file)  # type: ignore[arg-type]
    page.get_by_role("alert").get_by_role("link", name="/query/delimiter").press("Enter")
    delimiter = page.get_by_label("Between cells")
    expect(delimiter).to_be_focused()
    delimiter.select_option("semicolon")
    page.get_by_label("Decimal sign").select_option("comma: 1,5")
    page.get_by_label("Columns of words to split").fill("city")
    page.get_by_role("button", name="Read rents.csv again").click()
    expect(page.get_by_label("Target")).to_have_value("rent")
    expect(page.get_by_role("checkbox", name="city=Bonn")).to_be_checked()
