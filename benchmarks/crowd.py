"""Many lecture jobs in a short time: how many are accepted a second, and how many are finished, by two workers.

Beside them empty jobs of procrastinate, which keeps its queue in PostgreSQL as we do, and those of Celery, which keeps
nothing.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from time import perf_counter, sleep
from typing import NamedTuple

from celery import Celery
from procrastinate import App
from sqlalchemy import make_url

from benchmarks import empty_job, servers
from benchmarks.comparison import Aim, compare, heading
from benchmarks.empty_task import TASK, application
from benchmarks.servers import Servers
from service.commands.demo import LECTURE

_CONNECTIONS = 8
_JOBS = 1_000
_WORKERS = 2
_REPEATS = 3
_PAUSE = 0.02
"""Seconds between two looks at whether all are done."""
_FINISHED, _ACCEPTED = "Slope: lecture jobs finished a second", "Slope: lecture jobs accepted a second"
_EMPTY_DURABLE, _EMPTY = "procrastinate: empty jobs finished a second", "Celery: empty tasks finished a second"
_BOUND = "what was asked for"
_WANTED = 300.0


class Rates(NamedTuple):
    """A second, from the first POST on."""

    accepted: float
    finished: float


def run() -> None:
    with servers.running() as running:
        with _celery(running) as app:
            empty = [_rate_of_celery(app) for _ in range(_REPEATS)]
        for kind in servers.DATABASES:
            with _slope(running, kind) as api:
                found = [_measure(api) for _ in range(_REPEATS)]
            finished = [each.finished for each in found]
            heading(f"crowd: {_JOBS} lecture jobs on {kind}, durable, {_CONNECTIONS} connections, {_WORKERS} workers")
            compare({_FINISHED: finished, _BOUND: [_WANTED] * _REPEATS}, _FINISHED, _BOUND, "/s", Aim("at least", 1))
            compare({_ACCEPTED: [each.accepted for each in found], _EMPTY: empty}, _ACCEPTED, _EMPTY, "/s")
            compare({_FINISHED: finished, _EMPTY: empty}, _FINISHED, _EMPTY, "/s")
        with _procrastinate(running) as deferring:
            durable = [_rate_of_procrastinate(deferring) for _ in range(_REPEATS)]
        compare({_FINISHED: finished, _EMPTY_DURABLE: durable}, _FINISHED, _EMPTY_DURABLE, "/s", Aim("at least", 0.4))


@contextmanager
def _slope(running: Servers, kind: str) -> Iterator[HTTPConnection]:
    environment = running.environment(kind)
    with ExitStack() as stack:
        for _ in range(_WORKERS):
            stack.enter_context(servers.worker(environment))
        api = stack.enter_context(servers.serving("service.api", environment=environment))
        servers.until(lambda: servers.has_workers(api, _WORKERS))
        yield api


def _measure(api: HTTPConnection) -> Rates:
    began = perf_counter()
    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        list(threads.map(lambda count: _post(api.host, api.port, count), [_JOBS // _CONNECTIONS] * _CONNECTIONS))
    accepted = perf_counter()
    while _is_any(api, "queued") or _is_any(api, "running"):
        sleep(_PAUSE)
    ended = perf_counter()
    if _is_any(api, "failed"):
        sys.exit("A job of the crowd has failed")
    return Rates(_JOBS / (accepted - began), _JOBS / (ended - began))


def _post(host: str, port: int, count: int) -> None:
    connection = HTTPConnection(host, port, timeout=servers.LIMIT_SECONDS)
    for _ in range(count):
        status, answer = servers.request(connection, "POST", "/v1/jobs", LECTURE)
        if status != 202:
            sys.exit(f"A job was not accepted: {status} {answer}")
    connection.close()


def _is_any(api: HTTPConnection, status: str) -> bool:
    return bool(servers.request(api, "GET", f"/v1/jobs?status={status}&limit=1")[1]["data"])


@contextmanager
def _celery(running: Servers) -> Iterator[Celery]:
    arguments = ("--quiet", "--app", "benchmarks.empty_task", "worker", "--concurrency=1", "--loglevel=ERROR")
    environment = {"EMPTY_TASK_BROKER": running.broker_url, "C_FORCE_ROOT": "1"}
    with ExitStack() as stack:
        for number in range(_WORKERS):
            named = (*arguments, f"--hostname=empty{number}@%h")
            stack.enter_context(servers.program("celery", *named, environment=environment))
        app = stack.enter_context(application(running.broker_url))
        servers.until(lambda: len(app.control.ping(timeout=1)) == _WORKERS)
        yield app


def _rate_of_celery(app: Celery) -> float:
    """Sent and done, a second; nothing is kept but results in the broker's memory."""
    began = perf_counter()
    for result in [app.send_task(TASK) for _ in range(_JOBS)]:
        result.get(timeout=servers.LIMIT_SECONDS)
    return _JOBS / (perf_counter() - began)


@contextmanager
def _procrastinate(running: Servers) -> Iterator[App]:
    url = make_url(running.empty_database()).set(drivername="postgresql").render_as_string(hide_password=False)
    with empty_job.application(url).open() as app, ExitStack() as stack:
        app.schema_manager.apply_schema()
        for _ in range(_WORKERS):
            stack.enter_context(servers.program("benchmarks.empty_job", environment={"EMPTY_JOB_DATABASE": url}))
        servers.until(lambda: empty_job.count_workers(app) == _WORKERS)
        yield app


def _rate_of_procrastinate(app: App) -> float:
    """Deferred in one batch and done, a second: what its queue can do at best."""
    began = perf_counter()
    app.configure_task(empty_job.JOB).batch_defer(*[{}] * _JOBS)
    while empty_job.count_left(app):
        sleep(_PAUSE)
    return _JOBS / (perf_counter() - began)
