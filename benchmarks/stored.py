"""Jobs on a stored dataset, from POST to succeeded, the first of a process and later ones, against training alone."""

import json
import sys
from collections.abc import Callable
from http.client import HTTPConnection
from io import BytesIO
from time import perf_counter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import servers
from benchmarks.comparison import Aim, compare
from benchmarks.descent import scikit_learn
from benchmarks.full_batch import plain
from benchmarks.problems import FEATURES, agreement, rows
from benchmarks.servers import Servers
from slope.data import Array

_ROWS, _STARTS, _REPEATS = 500_000, 3, 5
_BY_ROWS = {"epochs": 200, "learning_rate": 1e-4}
_ADAM = {"epochs": 1000, "learning_rate": 0.01, "batch_size": "full", "optimizer": {"name": "adam"}}

Train = Callable[[], tuple[float, Array]]
"""Seconds and weights."""


def run() -> None:
    x, y = rows(_ROWS)
    with servers.running() as running:
        print(f"stored: {_ROWS:,} × {FEATURES}, 200 epochs of SGD, a row a step, on SQLite")
        rival: Train = lambda: scikit_learn(x, y, 200, shuffle=False)  # noqa: E731
        _compare(running, (x, y), _BY_ROWS, "SGDRegressor", rival, Aim("at most", 1 / 10))
        print(f"stored: {_ROWS:,} × {FEATURES}, 1,000 full-batch epochs of Adam, on SQLite")
        _compare(running, (x, y), _ADAM, "the plain loop, both cores", lambda: plain(x, y)[::2], Aim("at most", 1 / 50))


def _compare(
    running: Servers, data: tuple[Array, Array], hyperparameters: dict[str, Any], rival: str, train: Train, aim: Aim
) -> None:
    seconds, weights = train()
    first, later = list[float](), list[float]()
    for _ in range(_STARTS):
        with running.slope("SQLite") as api:
            dataset = _stored(api, *data)
            first.append(_trained(api, dataset, hyperparameters, weights))
            later.extend(_trained(api, dataset, hyperparameters, weights) for _ in range(_REPEATS))
    for what, times in (("the first job of a start", first), ("later jobs", later)):
        ours = f"Slope: POST to succeeded, {what}"
        compare({rival: [seconds] * len(times), ours: times}, ours, rival, "s", aim)


def _stored(api: HTTPConnection, x: Array, y: Array) -> str:
    """The id of a dataset that has the rows."""
    table, buffer = {f"x{feature}": column for feature, column in enumerate(x.T)} | {"y": y}, BytesIO()
    pq.write_table(pa.table(table), buffer)
    api.request("POST", "/v1/datasets", buffer.getvalue(), {"Content-Type": "application/vnd.apache.parquet"})
    answer = api.getresponse()
    text = answer.read()
    if answer.status != 201:
        sys.exit(f"The dataset was not taken: {text!r}")
    return str(json.loads(text)["id"])


def _trained(api: HTTPConnection, dataset: str, hyperparameters: dict[str, Any], weights: Array) -> float:
    """Seconds until the answer with the finished job is here."""
    settings = {"dtype": "float64", "fit_bias": False} | hyperparameters
    wanted = {"dataset": {"id": dataset}, "hyperparameters": settings}
    started = perf_counter()
    status, job = servers.request(api, "POST", "/v1/jobs", wanted, Prefer="wait=60")
    took = perf_counter() - started
    if (status, job["status"]) != (200, "succeeded"):
        sys.exit(f"The job did not end as it should: {job}")
    agreement(job["weights"], weights, 1e-9, "weights")
    return took
