"""Polls of a finished job per second over those of a bare FastAPI route on the same server."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from http.client import HTTPConnection

from benchmarks import servers
from benchmarks.comparison import Aim, compare, heading, in_turns
from benchmarks.servers import Servers
from service.commands.demo import LECTURE

_CONNECTIONS, _COUNT, _REPEATS = 8, 100, 11
_SMALL, _LARGE = "bare route, a small dict", "bare route, the same job from memory"
_POLL, _UNCHANGED = "GET /v1/jobs/{id}", "GET /v1/jobs/{id}, If-None-Match: 304"
_AIM = Aim("at least", 0.5)


def run() -> None:
    with servers.running() as running:
        for kind in servers.DATABASES:
            _compare(running, kind)


def _compare(running: Servers, kind: str) -> None:
    with running.slope(kind) as slope, tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        _, job = servers.request(slope, "POST", "/v1/jobs", LECTURE, Prefer="wait=10")
        path = f"/v1/jobs/{job['id']}"
        slope.request("GET", path)
        answer = slope.getresponse()
        file.write(answer.read().decode())
        file.flush()
        with servers.serving("benchmarks.bare", file.name) as bare:
            servers.until(lambda: _same(bare, slope, path))
            measured = in_turns(
                _REPEATS,
                {
                    _SMALL: _asking(bare, "/small"),
                    _LARGE: _asking(bare, "/job"),
                    _POLL: _asking(slope, path),
                    _UNCHANGED: _asking(slope, path, 304, f"If-None-Match: {answer.headers['ETag']}"),
                },
            )
    polls = _CONNECTIONS * _COUNT
    heading(f"polls: the lecture's job, finished, on {kind}; {_CONNECTIONS} connections, {polls} polls a repeat")
    compare(measured, _POLL, _SMALL, "polls/s", _AIM)
    compare(measured, _UNCHANGED, _SMALL, "polls/s", _AIM)
    compare(measured, _POLL, _LARGE, "polls/s")


def _same(bare: HTTPConnection, slope: HTTPConnection, path: str) -> bool:
    """Whether both give the same job. False while nobody answers."""
    try:
        theirs = servers.request(bare, "GET", "/job")
    except OSError:
        return False
    if theirs != servers.request(slope, "GET", path):
        sys.exit("The bare route gives another job")
    return True


def _asking(server: HTTPConnection, path: str, status: int = 200, *headers: str) -> Callable[[], float]:
    """Measures answers per second, from a process of its own."""
    arguments = [server.host, str(server.port), path, str(status), *headers]
    arguments += [f"--connections={_CONNECTIONS}", f"--count={_COUNT}"]
    command = [sys.executable, "-m", "benchmarks.load", *arguments]
    return lambda: float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
