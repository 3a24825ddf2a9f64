"""Jobs on a stored dataset, from POST to succeeded, the first of a process and later ones, against training alone."""

import json
import sys
import tempfile
from collections.abc import Callable
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from uuid_utils.compat import uuid7

from benchmarks import servers
from benchmarks.comparison import Aim, compare, heading, in_turns
from benchmarks.descent import scikit_learn
from benchmarks.full_batch import plain
from benchmarks.problems import FEATURES, agreement, rows
from benchmarks.servers import Servers
from service.store.database import Database
from service.store.records.bulk import as_tuples
from slope.arrays import Array
from slope.columns import EpochColumns

_ROWS, _STARTS, _REPEATS = 500_000, 3, 5
_BY_ROWS = {"epochs": 200, "learning_rate": 1e-4}
_ADAM: dict[str, Any] = {"epochs": 1000, "learning_rate": 0.01, "batch_size": "full", "optimizer": {"name": "adam"}}

_LONG: dict[str, Any] = {"epochs": 1_000_000, "learning_rate": 0.01, "batch_size": "full", "record": {"steps": "none"}}
_FLUSHED = 10_000
"""Epochs of a transaction."""
_FEWEST_ROWS, _MOST_ROWS = 10_000, 10_000_000
_MORE_MILLISECONDS = 20.0
_PLAIN, _PLAIN_EPOCHS = "the plain loop, both cores", 50

Train = Callable[[], tuple[float, Array | None]]
"""Seconds and weights, which are None where nothing is held against them."""


def run() -> None:
    x, y = rows(_ROWS)
    with servers.running() as running:
        heading(f"stored: {_ROWS:,} × {FEATURES}, 200 epochs of SGD, a row a step, on SQLite")
        rival: Train = lambda: scikit_learn(x, y, 200, shuffle=False)  # noqa: E731
        _compare(running, (x, y), _BY_ROWS, "SGDRegressor", rival, Aim("at most", 1 / 10))
        heading(f"stored: {_ROWS:,} × {FEATURES}, 1,000 full-batch epochs of Adam, on SQLite")
        _compare(running, (x, y), _ADAM, _PLAIN, lambda: _plain(x, y), Aim("at most", 1 / 50))
        _tall(running)
        _long(running)


def _plain(x: Array, y: Array) -> tuple[float, Array | None]:
    """Every epoch takes it as long: some are enough to know what all would."""
    seconds, _, _ = plain(x, y, _PLAIN_EPOCHS)
    return seconds * _ADAM["epochs"] / _PLAIN_EPOCHS, None


def _tall(running: Servers) -> None:
    """Full batch on many rows and on few, of which the dataset's triangle is as large."""
    random = np.random.default_rng(1)
    x = random.normal(size=(_MOST_ROWS, 2))
    y = x @ [1.0, -2.0] + random.normal(size=_MOST_ROWS)
    ours, theirs = f"Slope: {_MOST_ROWS:,} rows", f"the same on {_FEWEST_ROWS:,} rows"
    heading("stored: 1,000 full-batch epochs of Adam on two columns, POST to succeeded, on SQLite")
    with running.slope("SQLite") as api:
        few, many = (_stored(api, x[:rows], y[:rows]) for rows in (_FEWEST_ROWS, _MOST_ROWS))
        _trained(api, few, _ADAM, None)
        ways = {theirs: lambda: _trained(api, few, _ADAM, None), ours: lambda: _trained(api, many, _ADAM, None)}
        measured = in_turns(9, ways)
    more = [1000 * (mine - its) for mine, its in zip(measured[ours], measured[theirs], strict=True)]
    asked = f"what was asked for beyond {theirs}"
    compare({ours: more, asked: [_MORE_MILLISECONDS] * len(more)}, ours, asked, "ms more", Aim("at most", 1))


def _long(running: Servers) -> None:
    """A long run on three rows, every epoch durable, over the bare insertion of as many rows."""
    heading(f"long: {_LONG['epochs']:,} full-batch epochs on 3 rows, durable in SQLite, POST to succeeded")
    ours, theirs = "Slope", "bare executemany of its epochs, rows ready"
    with running.slope("SQLite") as api, tempfile.TemporaryDirectory(prefix="slope-bench-") as folder:
        dataset = _stored(api, np.array([[1.0], [2.0], [3.0]]), np.array([2.0, 4.0, 6.1]))
        _trained(api, dataset, _LONG | {"epochs": 1000}, None)
        ways = {theirs: lambda: _insert(Path(folder)), ours: lambda: _trained(api, dataset, _LONG, None)}
        compare(in_turns(3, ways), ours, theirs, "s", Aim("at most", 1.5))


def _insert(folder: Path) -> float:
    """Seconds in which the driver alone writes the rows that such a job leaves, a flush's a transaction."""
    database, job_id, took = Database(f"sqlite:///{folder}/{uuid7().hex}.db"), uuid7(), 0.0
    connection = database.writer.raw_connection()
    cursor = connection.cursor()
    for start in range(0, _LONG["epochs"], _FLUSHED):
        arrays = _epochs(start).arrays()
        rows, names = as_tuples([job_id] * _FLUSHED, arrays), ", ".join(["job_id", *arrays])
        if start == 0:
            cursor.execute(f"CREATE TABLE bare ({names}, PRIMARY KEY (job_id, epoch)) WITHOUT ROWID")
        insert = f"INSERT INTO bare ({names}) VALUES ({', '.join('?' * (1 + len(arrays)))})"
        started = perf_counter()
        cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany(insert, rows)
        connection.commit()
        took += perf_counter() - started
    connection.close()
    database.dispose()
    return took


def _epochs(start: int) -> EpochColumns:
    """Of a model of one weight, in numbers of as many digits as any."""
    random = np.random.default_rng(start)
    numbers, vectors = random.normal(size=(5, _FLUSHED)), random.normal(size=(3, _FLUSHED, 1))
    return EpochColumns(
        epoch=np.arange(start, start + _FLUSHED),
        loss=numbers[0],
        last_loss=numbers[1],
        validation_loss=None,
        gradient_mean_weights=vectors[0],
        gradient_mean_bias=None,
        gradient_last_weights=vectors[1],
        gradient_last_bias=None,
        gradient_norm=numbers[2],
        weights=vectors[2],
        bias=None,
        learning_rate=numbers[3],
        seconds=numbers[4],
    )


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


def _trained(api: HTTPConnection, dataset: str, hyperparameters: dict[str, Any], weights: Array | None) -> float:
    """Seconds until the answer with the finished job is here."""
    settings = {"dtype": "float64", "fit_bias": False} | hyperparameters
    wanted = {"dataset": {"id": dataset}, "hyperparameters": settings}
    started = perf_counter()
    status, job = servers.request(api, "POST", "/v1/jobs", wanted, Prefer="wait=60")
    took = perf_counter() - started
    if (status, job["status"]) != (200, "succeeded"):
        sys.exit(f"The job did not end as it should: {job}")
    if weights is not None:
        agreement(job["weights"], weights, 1e-9, "weights")
    return took
