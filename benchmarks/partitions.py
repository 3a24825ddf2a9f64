"""One dataset reduced by two workers over the same by one; and what its measured parts say of many, on paper."""

import sys
import tempfile
from contextlib import ExitStack
from datetime import datetime
from http.client import HTTPConnection
from math import ceil
from pathlib import Path
from statistics import median
from time import perf_counter
from uuid import UUID, uuid4

import numpy as np

from benchmarks import servers
from benchmarks.comparison import Aim, compare, in_turns
from benchmarks.problems import FEATURES, rows
from service import jobs
from service.demo import LECTURE
from service.storage import storage_at
from service.store import leases, partitions
from service.store.database import Database
from slope.engines.costs import Work
from slope.engines.reduced import Reductions
from slope.engines.reduction import Reduction
from slope.engines.streaming import joined
from slope.spec import JobRequest, TrainingSpec
from slope.tabular.stored import TableWriter

_ROWS, _REPEATS = 10_000_000, 5
_AT_ONCE = 100_000
_ALONE, _TOGETHER = "one worker", "two workers"
_PAPER_ROWS, _PAPER_WORKERS = 10**9, (1, 2, 8, 64)
_SPEC = {"epochs": 1, "batch_size": "full", "engine": "reduced", "dtype": "float64"}


def run() -> None:
    print(f"partitions: {_ROWS:,} × {FEATURES} reduced through workers of one process, PostgreSQL; from claim to end")
    with servers.running() as running, ExitStack() as stack:
        alone, together = (stack.enter_context(running.slope("PostgreSQL", workers)) for workers in (1, 2))
        ways = {_ALONE: _prepared(alone), _TOGETHER: _prepared(together)}
        measured = in_turns(_REPEATS, {name: way.seconds for name, way in ways.items()})
        compare(measured, _ALONE, _TOGETHER, "s", Aim("at least", 1.7))
        one, two = (way.weights for way in ways.values())
        print(f"  the weights are {'the same to the bit' if one == two else sys.exit('The weights differ')}")
        with running.database("PostgreSQL") as database:
            _on_paper(median(measured[_ALONE]), _seconds_of_leases(database))


class _Job:
    """The job on a dataset that a service has, again and again."""

    def __init__(self, api: HTTPConnection, dataset_id: str) -> None:
        self._api = api
        self._request = {"dataset": {"id": dataset_id}, "hyperparameters": _SPEC}
        self.weights: list[float] = []
        self.seconds()  # the first one warms everything

    def seconds(self) -> float:
        _, job = servers.request(self._api, "POST", "/v1/jobs", self._request, Prefer="wait=60")
        if job["status"] != "succeeded" or job["progress"]["partitions_done"] != _partitions(_ROWS):
            sys.exit(f"The job was not reduced in partitions: {job}")
        self.weights = job["weights"]
        started, finished = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
        return (finished - started).total_seconds()


def _prepared(api: HTTPConnection) -> _Job:
    with tempfile.TemporaryDirectory(prefix="slope-bench-") as name:
        file = Path(name) / "table.parquet"
        _write(file)
        with file.open("rb") as content:
            api.request("POST", "/v1/datasets?format=parquet", content, {"Content-Length": str(file.stat().st_size)})
            answer = api.getresponse()
            text = answer.read()
    if answer.status not in (200, 201):
        sys.exit(f"The dataset was not taken: {text!r}")
    return _Job(api, text.decode().partition('"id":"')[2].partition('"')[0])


def _write(file: Path) -> None:
    x, y = rows(_ROWS)
    columns = [*np.ascontiguousarray(x.T), y]
    with TableWriter(file, [f"c{place}" for place in range(FEATURES + 1)]) as writer:
        for start in range(0, _ROWS, _AT_ONCE):
            writer.write([values[start : start + _AT_ONCE] for values in columns])


def _partitions(count: int) -> int:
    return Work.of(TrainingSpec.model_validate(_SPEC), count, FEATURES, keeps_steps=False).partitions


def _seconds_of_leases(database: Database) -> float:
    """Of a partition's claim and of its end, which is all that it costs beside its rows."""
    job_id = _claimed_job(database)
    parts = [range(number, number + 1) for number in range(_partitions(_PAPER_ROWS))]
    with database.writing() as session:
        partitions.cut(session, job_id, parts)
        session.commit()
    found = _reductions().encode()
    started = perf_counter()
    for _ in parts:
        with database.writing() as session:
            mine = partitions.claim(session, job_id, worker_id=uuid4(), lease_seconds=60)
            session.commit()
        assert mine  # there is one for each
        with database.writing() as session:
            partitions.finish(session, mine, found, 0.0)
            session.commit()
    return (perf_counter() - started) / len(parts)


def _claimed_job(database: Database) -> UUID:
    with tempfile.TemporaryDirectory(prefix="slope-bench-") as folder:
        request = JobRequest.model_validate(LECTURE)
        job = jobs.submit(database, storage_at(Path(folder).as_uri()), _Silent(), request, max_numbers=10**6).job
    with database.writing() as session:
        leases.claim(session, job.id, worker_id=uuid4(), process_id=0, devices=["auto"], lease_seconds=600)
        session.commit()
    return job.id


class _Silent:
    def ring(self, job_id: UUID, device: str) -> bool:
        return True

    def is_reachable(self) -> bool:
        return True

    def waiting(self, device: str) -> int:
        return 0


def _reductions() -> Reductions:
    x, y = rows(1000)
    return Reductions(Reduction.of([(x, y)], FEATURES), Reduction.of([], FEATURES))


def _on_paper(seconds: float, lease: float) -> None:
    """T(W) = ⌈P/W⌉ · (N/P · c + l) + P · j: whole rounds of partitions, and then one process joins them."""
    count = _partitions(_PAPER_ROWS)
    row = (seconds - _partitions(_ROWS) * lease) / _ROWS
    found = [_reductions()] * count
    started = perf_counter()
    joined(found)
    join = perf_counter() - started
    print(f"  measured: c = {row * 1e9:.3g} ns a row read and reduced, l = {lease * 1e3:.3g} ms a partition's leases,")
    print(
        f"  j = {join / count * 1e6:.3g} µs a triangle joined; on paper {_PAPER_ROWS:.0e} rows in {count} partitions:"
    )
    for workers in _PAPER_WORKERS:
        total = ceil(count / workers) * (_PAPER_ROWS / count * row + lease) + join
        read = 8 * (FEATURES + 1) * _PAPER_ROWS / total / 1e9
        speed = count * (_PAPER_ROWS / count * row + lease) / total
        print(f"  {workers:>4} workers: {total:8.3g} s, {speed:5.3g} × one; the storage gives {read:.3g} GB/s")
    print()
