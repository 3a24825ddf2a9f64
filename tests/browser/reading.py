"""What a page shows, as numbers."""

from typing import Any

from playwright.sync_api import Page


def drawn_epochs(page: Page) -> list[int]:
    """The epochs that the chart of the loss has, page by page of the table behind it."""
    panel = page.get_by_role("region", name="Loss", exact=True)
    panel.get_by_text("Numbers", exact=True).click()
    earlier, later = (panel.get_by_role("button", name=name) for name in ("Earlier", "Later"))
    while earlier.is_enabled():
        earlier.click()
    found = _first_cells(panel)
    while later.is_enabled():
        later.click()
        found += _first_cells(panel)
    return found


def _first_cells(panel: Any) -> list[int]:
    return [int(text.replace(",", "")) for text in panel.locator("tbody td:first-child").all_inner_texts()]


def set_visibility(page: Page, state: str) -> None:
    """As if its tab were chosen, or another one."""
    page.evaluate(
        """state => {
            Object.defineProperty(document, "visibilityState", {value: state, configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        state,
    )


def used_heap(page: Page) -> int:
    """Bytes of JavaScript that are still in use."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    found: int = devtools.send("Runtime.getHeapUsage")["usedSize"]
    devtools.detach()
    return found


_PEAKS = """([label, colour]) => {
    const chart = document.querySelector(`[aria-label="${label}"]`);
    const [canvas, over] = [chart.querySelector("canvas"), chart.querySelector(".u-over")];
    const [whole, area] = [canvas.getBoundingClientRect(), over.getBoundingClientRect()];
    const [width, height] = [Math.round(area.width), Math.round(area.height / 3)];
    const copy = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
    copy.drawImage(canvas, whole.x - area.x, whole.y - area.y);
    const pixels = copy.getImageData(0, 0, width, height).data;
    const text = getComputedStyle(document.documentElement).getPropertyValue(`--${colour}`).trim();
    const wanted = [1, 3, 5].map((place) => parseInt(text.slice(place, place + 2), 16));
    const found = new Set();
    for (let pixel = 0; pixel < width * height; pixel += 1) {
        const distance = wanted.map((each, part) => Math.abs(each - pixels[4 * pixel + part]));
        if (pixels[4 * pixel + 3] > 128 && Math.max(...distance) < 48) found.add((pixel % width) / width);
    }
    return [...found].sort((one, other) => one - other);
}"""


def peaks(page: Page, chart: str, colour: str) -> list[float]:
    """Where a line of a colour is in the upper third of a chart: parts of its width."""
    found: list[float] = page.evaluate(_PEAKS, [chart, colour])
    return found
