"""The dashboard in Chromium: how soon there is a chart, what moving the cursor costs, what following a run leaves."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import pairwise
from statistics import quantiles
from typing import Any

from benchmarks import servers
from benchmarks.comparison import Aim, compare, heading
from service.commands.demo import LECTURE

_EPOCHS, _VISITS, _MOVES, _LIVE_SECONDS = 1_000_000, 7, 200, 120
_LONG: dict[str, Any] = {
    "dataset": {"x": [1.0, 2.0, 3.0], "y": [2.1, 3.9, 6.2]},
    "hyperparameters": {"epochs": _EPOCHS, "batch_size": "full", "learning_rate": 1e-6, "record": {"steps": "none"}},
}
_ENDLESS: dict[str, Any] = {
    "dataset": {"x": [1.0, 2.0, 3.0], "y": [2.1, 3.9, 6.2]},
    "hyperparameters": {
        "epochs": 10_000_000,
        "engine": "eager",
        "batch_size": "full",
        "learning_rate": 1e-6,
        "record": {"steps": "none", "every": 10},
    },
}
_ASKED = "what was asked for"
_NOTE_FIRST_CHART = """
new MutationObserver((_, observer) => {
    if (!document.querySelector(".curve canvas")) return;
    observer.disconnect();
    requestAnimationFrame(() => { window.firstChart = performance.now() / 1000; });
}).observe(document, {childList: true, subtree: true});
"""
_MOVE = """async part => {
    const slider = document.querySelector("input[type=range]");
    slider.value = Math.round(part * Number(slider.max));
    slider.dispatchEvent(new Event("input", {bubbles: true}));
    for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
}"""


def run() -> None:
    with servers.running() as running, running.slope("SQLite") as slope, _chromium() as browser:
        url = f"http://{slope.host}:{slope.port}"
        lecture, long = (f"{url}/jobs/{_ended(slope, request)}" for request in (LECTURE, _LONG))
        _first_charts(browser, lecture, long)
        _moves(browser, long)
        _following(browser, slope, url)


@contextmanager
def _chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    if path is None:
        sys.exit("There is no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


def _ended(slope: HTTPConnection, request: dict[str, Any]) -> str:
    job_id: str = servers.request(slope, "POST", "/v1/jobs", request)[1]["id"]
    servers.until(lambda: servers.request(slope, "GET", f"/v1/jobs/{job_id}")[1]["status"] == "succeeded")
    return job_id


def _first_charts(browser: Any, lecture: str, long: str) -> None:
    heading("dashboard: from an address to the first chart, by a browser that has nothing of it, SQLite")
    first = "the lecture's job, the first page of a start"
    _hold(first, [_first_chart(browser, lecture)], 0.3, "s")
    _hold("the lecture's job", [_first_chart(browser, lecture) for _ in range(_VISITS)], 0.3, "s")
    _hold(f"{_EPOCHS:,} epochs", [_first_chart(browser, long) for _ in range(_VISITS)], 1.5, "s")


def _first_chart(browser: Any, address: str) -> float:
    """Seconds from the start of the navigation to the frame of the first chart."""
    with browser.new_context() as context:
        page = context.new_page()
        page.add_init_script(_NOTE_FIRST_CHART)
        page.goto(address)
        page.wait_for_selector(".curve canvas")
        found: float = page.evaluate("new Promise(requestAnimationFrame).then(() => window.firstChart)")
        return found


def _moves(browser: Any, address: str) -> None:
    heading(f"dashboard: script of a frame in which the cursor moves, {_EPOCHS:,} epochs, p95 of {_MOVES} moves")
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(address)
        page.wait_for_load_state("networkidle")
        devtools = context.new_cdp_session(page)
        devtools.send("Performance.enable")
        spent = [_script_seconds(devtools)]
        for move in range(_MOVES):
            page.evaluate(_MOVE, move * 37 % _MOVES / _MOVES)
            spent.append(_script_seconds(devtools))
    frames = [1000 * (after - before) for before, after in pairwise(spent)]
    _hold("a move of the cursor", [quantiles(frames, n=20)[-1]], 16, "ms")


def _script_seconds(devtools: Any) -> float:
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return next(float(metric["value"]) for metric in metrics if metric["name"] == "ScriptDuration")


def _following(browser: Any, slope: HTTPConnection, url: str) -> None:
    heading(f"dashboard: {_LIVE_SECONDS} s of following a run")
    job_id = servers.request(slope, "POST", "/v1/jobs", _ENDLESS)[1]["id"]
    with browser.new_context() as context:
        page, asked = context.new_page(), list[str]()
        page.goto(f"{url}/jobs/{job_id}")
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_timeout(1000 * _LIVE_SECONDS)
        devtools = context.new_cdp_session(page)
        devtools.send("HeapProfiler.collectGarbage")
        heap = devtools.send("Runtime.getHeapUsage")["usedSize"]
        _hold("heap of the page after a collection", [heap / 1e6], 60, "MB")
        _hold("requests", [len(asked) / _LIVE_SECONDS], 4, "a second")
    slope.close()  # the service has, after so long without a request
    servers.request(slope, "POST", f"/v1/jobs/{job_id}/cancel")


def _hold(ours: str, measured: list[float], bound: float, unit: str) -> None:
    compare({ours: measured, _ASKED: [bound] * len(measured)}, ours, _ASKED, unit, Aim("at most", 1))
