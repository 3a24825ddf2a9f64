"""What the pictures of the mathematics say, against the recorded numbers and against real runs."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from e2e.services import Serve
from playwright.sync_api import Page, expect

SVG = "{http://www.w3.org/2000/svg}"
LINE = {"x": [1.0, 2.0, 3.0, 4.0], "y": [3.0, 5.5, 7.0, 9.5]}
BOWL = {
    "name": "bowl",
    "dataset": LINE,
    "hyperparameters": {"epochs": 30, "learning_rate": 0.05, "batch_size": "full"},
}


def test_the_loss_surface_is_drawn_where_the_numbers_are(page: Page, service: Serve) -> None:
    with service.client as client:
        job = client.wait(client.submit(BOWL).id)
    page.goto(f"/jobs/{job.id}")
    panel = page.get_by_role("region", name="Loss surface")
    expect(panel.locator("path.contour")).to_have_count(9)
    text = panel.locator("svg.picture").evaluate("picture => new XMLSerializer().serializeToString(picture)")
    picture = ET.fromstring(text)
    x, y = _axes(picture)

    here = picture.find(f".//{SVG}circle[@class='run-here']")
    assert here is not None
    assert job.weights is not None
    assert x(float(here.attrib["cx"])) == pytest.approx(job.weights[0], rel=1e-9)
    assert y(float(here.attrib["cy"])) == pytest.approx(job.bias, rel=1e-9)

    for contour in picture.findall(f".//{SVG}path[@class='contour']"):
        pixels = np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", contour.attrib["d"]), float)
        losses = _loss(x(pixels[:, 0]), y(pixels[:, 1]))
        nearby = [_loss(x(pixels[:, 0] + a), y(pixels[:, 1] + b)) for a in (-0.1, 0.1) for b in (-0.1, 0.1)]
        level = np.median(losses)
        assert (np.min(nearby, axis=0) <= level).all()  # a picture is drawn to a tenth of a pixel
        assert (np.max(nearby, axis=0) >= level).all()


def _axes(picture: ET.Element) -> list[np.poly1d]:
    """From places in the picture to numbers, by two of the ticks along x, and along y."""
    ticks: tuple[dict[float, float], dict[float, float]] = {}, {}
    for tick in picture.findall(f".//{SVG}g[@class='axis']/{SVG}g"):
        places = [float(each) for each in re.findall(r"[-\d.e]+", tick.attrib["transform"].removeprefix("translate"))]
        value = float("".join(tick.itertext()).replace("−", "-").replace(",", ""))
        side = 0 if places[1] == 0 else 1
        ticks[side][places[side]] = value
    return [np.poly1d(np.polyfit([min(side), max(side)], [side[min(side)], side[max(side)]], 1)) for side in ticks]


def _loss(weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    residuals = np.multiply.outer(weight, LINE["x"]) + np.asarray(bias)[:, None] - LINE["y"]
    return (residuals**2).mean(axis=1)


LIMIT = 2 / (2 * (1 + 4 + 9) / 3)
"""2/λ of y = x·w on the lecture's rows."""


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (0.495, "converges without overshooting"),
        (0.505, "overshoots the minimum at every step, and still converges"),
        (0.99, "overshoots the minimum at every step, and still converges"),
        (1.01, "diverges"),
    ],
)
def test_the_dial_says_what_a_run_does(page: Page, service: Serve, part: float, said: str) -> None:
    request = {
        "dataset": {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]},
        "hyperparameters": {"epochs": 100, "learning_rate": part * LIMIT, "batch_size": "full", "fit_bias": False},
    }
    with service.client as client:
        job = client.wait(client.submit(request).id)
        distances = np.array([epoch.weights[0] - 2 for epoch in client.epochs(job.id)])

    page.goto(f"/jobs/new?from={job.id}")

    expect(page.get_by_role("figure")).to_contain_text(said)
    assert _said_of(distances) == said


def _said_of(distances: np.ndarray) -> str:
    if abs(distances[-1]) > abs(distances[0]):
        return "diverges"
    far = distances[np.abs(distances) > 1e-4]  # nearer, the roundings decide
    swings = (far[1:] * far[:-1] < 0).any()
    return "overshoots the minimum at every step, and still converges" if swings else "converges without overshooting"
