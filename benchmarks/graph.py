"""The graph of a recorded step over HTTP, over the same trace in a program that has the step's numbers at hand."""

import sys
from http.client import HTTPConnection
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchmarks import servers
from benchmarks.comparison import Aim, compare, heading, in_turns
from service.commands.demo import LECTURE
from slope.data import prepare
from slope.graph.step import StepTrace, batch_of
from slope.model import Parameters
from slope.spec import JobRequest
from slope.spec.data import InlineData, as_matrix

_REPEATS, _OF = 21, 5
_OURS, _THEIRS = "GET …/steps/2/graph", "the same trace in-process"
_EPOCH, _STEP = 0, 2


def run() -> None:
    torch.set_num_threads(1)
    with servers.running() as running:
        for kind in servers.DATABASES:
            with running.slope(kind) as slope:
                for name, job in (("the lecture's job", LECTURE), ("8 features, batches of 32", _wide())):
                    heading(f"graph: {name}, step {_STEP} of epoch {_EPOCH}, recorded, on {kind}; the best of {_OF}")
                    _compare(slope, job)


def _compare(slope: HTTPConnection, job: dict[str, Any]) -> None:
    _, done = servers.request(slope, "POST", "/v1/jobs", job, Prefer="wait=30")
    path = f"/v1/jobs/{done['id']}/epochs/{_EPOCH}/steps"
    _, steps = servers.request(slope, "GET", path)
    trace = _Trace(job, steps["data"][_STEP])
    _, graph = servers.request(slope, "GET", f"{path}/{_STEP}/graph")
    if [node["grad"] for node in graph["nodes"]] != [node.grad for node in trace.graph().nodes]:
        sys.exit(f"The two graphs differ: {graph}")
    ways = {
        _THEIRS: lambda: _milliseconds(trace.graph),
        _OURS: lambda: _milliseconds(lambda: _get(slope, f"{path}/{_STEP}/graph")),
    }
    compare(in_turns(_REPEATS, ways), _OURS, _THEIRS, "ms", Aim("at most", 3))


class _Trace:
    """What the service does for a graph, without a database, without HTTP, and without making JSON of it."""

    def __init__(self, job: dict[str, Any], step: dict[str, Any]) -> None:
        request = JobRequest.model_validate(job)
        assert isinstance(request.dataset, InlineData)
        self._spec, self._rows = request.hyperparameters, step["rows"]
        x, y = np.array(as_matrix(request.dataset.x), float), np.array(request.dataset.y, float)
        self._data = prepare(x, y, self._spec)
        self._before = Parameters(step["weights"], step["bias"])
        self._gradient = Parameters(**step["gradient"])

    def graph(self) -> Any:
        traced = StepTrace(self._spec, self._before, batch_of(self._data, self._spec, self._rows))
        if traced.gradient != self._gradient:
            sys.exit("The trace in this process has another gradient than was recorded")
        return traced.graph(self._rows[0])


def _get(slope: HTTPConnection, path: str) -> None:
    slope.request("GET", path)
    answer = slope.getresponse()
    body = answer.read()
    if answer.status != 200:
        sys.exit(f"There is no graph: {body!r}")


def _milliseconds(action: Any) -> float:
    """Of the fastest of a few: what other programs on the machine add is no part of either way."""
    return min(_timed(action) for _ in range(_OF))


def _timed(action: Any) -> float:
    started = perf_counter()
    action()
    return (perf_counter() - started) * 1e3


def _wide() -> dict[str, Any]:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(320, 8)), random.normal(size=320)
    return {
        "dataset": {"x": x.tolist(), "y": y.tolist()},
        "hyperparameters": {"epochs": 2, "batch_size": 32, "l2": 0.01},
    }
