"""Takes the documents' pictures of the dashboard, light and dark, from a service of its own.

python docs/draw_dashboard.py    # needs Chromium, and the dashboard as hatch_build.py built it
"""

import shutil
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from service.commands.demo import LECTURE
from service.commands.local import START_SECONDS, running_service
from slope.client import Client

FOLDER = Path(__file__).parent / "graphs"
WIDE, PHONE = (1280, 800), (390, 780)
COLOURS = 128
"""Of a picture: what is drawn has few, and a quarter of the bytes is enough for it."""

CARS = Path(__file__).parent / "tutorials" / "cars.csv"
NOISY = {"epochs": 30, "learning_rate": 0.05, "batch_size": 10, "shuffle": True, "standardize": True}


def main() -> None:
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        sys.exit("There is no Chromium: apt-get install chromium")
    with running_service() as url, sync_playwright() as started:
        lecture, cars, dataset = _train(url)
        pictures = {
            "job": (WIDE, f"/jobs/{cars}?epoch=3&size=cook"),
            "step": (WIDE, f"/jobs/{lecture}/epochs/0/steps/2?node=n2"),
            "new": (WIDE, f"/jobs/new?dataset={dataset}"),
            "phone": (PHONE, f"/jobs/{lecture}?epoch=2"),
        }
        with started.chromium.launch(executable_path=browser_path) as browser:
            for name, (size, address) in pictures.items():
                for theme in ("light", "dark"):
                    _take(browser, url + address, size, theme, FOLDER / f"dashboard-{name}-{theme}.png")


def _train(url: str) -> tuple[str, str, str]:
    """Ids of the lecture's job, of one on a file of cars, and of that file."""
    with Client(url) as client:
        dataset = client.upload(CARS)
        asked = {"name": "braking distances", "dataset": {"id": dataset.id, "target": "dist"}, "hyperparameters": NOISY}
        jobs = [client.wait(client.submit(each).id, timeout=START_SECONDS) for each in (LECTURE, asked)]
    return str(jobs[0].id), str(jobs[1].id), str(dataset.id)


def _take(browser: Browser, address: str, size: tuple[int, int], theme: str, path: Path) -> None:
    width, height = size
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
    )
    page.goto(address)
    page.wait_for_load_state("networkidle")
    _prepare(page)
    picture = Image.open(BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    page.close()


def _prepare(page: Page) -> None:
    """In the form, a rate that overshoots, as somebody may type it."""
    if "/jobs/new" in page.url:
        page.get_by_label("learning rate").fill("0.003")
        page.get_by_label("batch size").fill("full")
        page.get_by_text("overshoots the minimum").wait_for()


if __name__ == "__main__":
    main()
