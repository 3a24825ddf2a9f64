"""From POST to the finished job over the time of an empty Celery task: from its sending until its result is here."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from time import perf_counter

from celery import Celery

from benchmarks import servers
from benchmarks.comparison import Aim, compare, heading, in_turns
from benchmarks.empty_task import TASK, application
from benchmarks.servers import Servers
from service.commands.demo import LECTURE

_STARTS, _REPEATS = 3, 30
_OURS, _THEIRS = "Slope: POST to succeeded", "Celery: an empty task and its result"
_PREDICTION = 7.804864406585693


def run() -> None:
    with servers.running() as running:
        for kind in servers.DATABASES:
            _compare(running, kind)


def _compare(running: Servers, kind: str) -> None:
    first: dict[str, list[float]] = {_THEIRS: [], _OURS: []}
    later: dict[str, list[float]] = {_THEIRS: [], _OURS: []}
    for _ in range(_STARTS):
        with _celery(running.broker_url) as empty, running.slope(kind) as slope:
            ways = {_THEIRS: empty, _OURS: lambda: _train(slope)}
            for times, repeats in ((first, 1), (later, _REPEATS)):
                for name, measured in in_turns(repeats, ways).items():
                    times[name].extend(measured)
    heading(f"job: the lecture's job on {kind}, durable; workers of one process; the first job of {_STARTS} starts")
    compare(first, _OURS, _THEIRS, "ms", Aim("at most", 3))
    heading(f"job: the same, {_REPEATS} later jobs of each start")
    compare(later, _OURS, _THEIRS, "ms", Aim("at most", 3))


def _train(slope: HTTPConnection) -> float:
    """Milliseconds until the answer with the finished job is here."""
    started = perf_counter()
    status, job = servers.request(slope, "POST", "/v1/jobs", LECTURE, Prefer="wait=10")
    took = (perf_counter() - started) * 1e3
    _, predictions = servers.request(slope, "GET", f"/v1/jobs/{job['id']}/predictions")
    if (status, job["status"]) != (200, "succeeded") or predictions["data"][0]["after"] != _PREDICTION:
        sys.exit(f"The job did not end as it should: {job}, {predictions}")
    return took


@contextmanager
def _celery(broker_url: str) -> Iterator[Callable[[], float]]:
    """Measures the milliseconds of an empty task on a worker of its own, just started."""
    arguments = ("--quiet", "--app", "benchmarks.empty_task", "worker", "--concurrency=1", "--loglevel=ERROR")
    with servers.program("celery", *arguments, environment={"EMPTY_TASK_BROKER": broker_url, "C_FORCE_ROOT": "1"}):
        with application(broker_url) as asking:
            servers.until(lambda: asking.control.ping(timeout=1))
        with application(broker_url) as app:
            yield lambda: _run_nothing(app)


def _run_nothing(app: Celery) -> float:
    started = perf_counter()
    app.send_task(TASK).get(timeout=servers.LIMIT_SECONDS)
    return (perf_counter() - started) * 1e3
