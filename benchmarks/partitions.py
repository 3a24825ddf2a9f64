"""One dataset reduced by two workers over the same by one; and what its measured parts say of many, on paper."""

import json
import os
import sys
import tempfile
from datetime import datetime
from http.client import HTTPConnection
from math import ceil
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from uuid import UUID, uuid4

import numpy as np

from benchmarks import servers
from benchmarks.comparison import Aim, compare, heading, in_turns
from benchmarks.problems import FEATURES, rows
from benchmarks.silent import Silent
from service.commands.demo import LECTURE
from service.jobs import jobs
from service.settings import Settings
from service.storage import storage_at
from service.store.database import Database
from service.store.leases import partitions
from service.store.leases.claims import claim_job
from service.store.leases.leases import Claimant
from slope.engines.costs import Work
from slope.engines.reduction.partitioned import PartitionedData, ReducedPartition, join_partitions
from slope.spec import JobRequest, TrainingSpec
from slope.tabular.stored import TableWriter

_ROWS, _REPEATS = 30_000_000, 5
_AT_ONCE = 100_000
_LOOK_SECONDS = 0.25
_ALONE, _TOGETHER = "one worker", "two workers"
_PAPER_ROWS, _PAPER_WORKERS = 10**9, (1, 2, 8, 64)
_SPEC = {"epochs": 1, "batch_size": "full", "engine": "reduced", "dtype": "float64"}


def run() -> None:
    heading(f"partitions: {_ROWS:,} × {FEATURES} reduced through workers of one process, PostgreSQL; from claim to end")
    with servers.running() as running:
        environment = running.environment("PostgreSQL") | {"SLOPE_TRIANGLE_COLUMNS": "0"}
        with servers.worker(environment), servers.serving("service.api", environment=environment) as api:
            servers.until(lambda: servers.has_workers(api, 1))
            job = _Job(api, _upload(api))
            ways = {_ALONE: job.seconds, _TOGETHER: lambda: _with_another(environment, api, job)}
            measured = in_turns(_REPEATS, ways)
        compare(measured, _ALONE, _TOGETHER, "s", Aim("at least", 1.7))
        with running.database("PostgreSQL") as database:
            _on_paper(median(measured[_ALONE]), _seconds_of_a_lease(database))


class _Job:
    """The job on a dataset that a service has, again and again, always to the same bits."""

    def __init__(self, api: HTTPConnection, dataset_id: str) -> None:
        self._api = api
        self._request = {"dataset": {"id": dataset_id}, "hyperparameters": _SPEC}
        self._weights: list[float] | None = None
        self.seconds()  # the first one warms everything

    def seconds(self) -> float:
        _, job = servers.request(self._api, "POST", "/v1/jobs", self._request)
        while job["finished_at"] is None:
            sleep(_LOOK_SECONDS)  # a held request would have the API look again and again, on the workers' cores
            _, job = servers.request(self._api, "GET", f"/v1/jobs/{job['id']}")
        if job["status"] != "succeeded" or job["progress"]["partitions_done"] != _partitions(_ROWS):
            sys.exit(f"The job was not reduced in partitions: {job}")
        if job["weights"] != (self._weights or job["weights"]):
            sys.exit("The weights differ")
        self._weights = job["weights"]
        started, finished = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
        return (finished - started).total_seconds()


def _with_another(environment: dict[str, str], api: HTTPConnection, job: _Job) -> float:
    with servers.worker(environment):
        servers.until(lambda: servers.has_workers(api, 2))
        job.seconds()  # the first job of a process loads much
        return job.seconds()


def _upload(api: HTTPConnection) -> str:
    with tempfile.TemporaryDirectory(prefix="slope-bench-") as name:
        file = Path(name) / "table.parquet"
        _write(file)
        with file.open("rb") as content:
            api.request("POST", "/v1/datasets?format=parquet", content, {"Content-Length": str(file.stat().st_size)})
            answer = api.getresponse()
            text = answer.read()
    os.sync()  # what is still to be written is no part of what is measured
    if answer.status != 201:
        sys.exit(f"The dataset was not taken: {text!r}")
    dataset_id: str = json.loads(text)["id"]
    return dataset_id


def _write(file: Path) -> None:
    x, y = rows(_ROWS)
    columns = [*np.ascontiguousarray(x.T), y]
    with TableWriter(file, [f"c{place}" for place in range(FEATURES + 1)]) as writer:
        for start in range(0, _ROWS, _AT_ONCE):
            writer.write([values[start : start + _AT_ONCE] for values in columns])


def _partitions(count: int) -> int:
    return Work.of(TrainingSpec.model_validate(_SPEC), count, FEATURES, keeps_steps=False).partitions


def _seconds_of_a_lease(database: Database) -> float:
    """Of the end of one partition and the claim of the next: all that a partition costs beside its rows."""
    job_id = _claimed_job(database)
    parts = [range(number, number + 1) for number in range(_partitions(_PAPER_ROWS))]
    with database.writing() as session:
        partitions.cut_job(session, job_id, parts)
        session.commit()
    found, claimant = _reduced().encode(), _claimant()
    started = perf_counter()
    with database.writing() as session:
        mine = partitions.claim_partition(session, job_id, uuid4(), claimant)
        session.commit()
    while mine:
        with database.writing() as session:
            mine.finish(session, found, 0.0)
            mine = partitions.claim_partition(session, job_id, uuid4(), claimant)
            session.commit()
    return (perf_counter() - started) / len(parts)


def _claimed_job(database: Database) -> UUID:
    with tempfile.TemporaryDirectory(prefix="slope-bench-") as folder:
        request = JobRequest.model_validate(LECTURE)
        storage = storage_at(Path(folder).as_uri())
        job_id = jobs.submit_job(database, storage, Silent(), request, settings=Settings()).job_id
    with database.writing() as session:
        claim_job(session, job_id, _claimant())
        session.commit()
    return job_id


def _claimant() -> Claimant:
    return Claimant(uuid4(), 0, ["auto"], lease_seconds=600)


def _reduced() -> ReducedPartition:
    x, y = rows(1000)
    data = PartitionedData(lambda part: [(x, y)], len(y), FEATURES, TrainingSpec.model_validate(_SPEC))
    return data.reduce(range(len(y)), lambda: None)


def _on_paper(seconds: float, lease: float) -> None:
    """T(W) = ⌈P/W⌉ · (N/P · c + l) + P · j: whole rounds of partitions, and then one process joins them."""
    count = _partitions(_PAPER_ROWS)
    row = (seconds - _partitions(_ROWS) * lease) / _ROWS
    found = [_reduced()] * count
    started = perf_counter()
    join_partitions(found)
    join = perf_counter() - started
    print(f"  measured: c = {row * 1e9:.3g} ns a row read and reduced, l = {lease * 1e3:.3g} ms a partition's lease,")
    print(
        f"  j = {join / count * 1e6:.3g} µs a triangle joined; on paper {_PAPER_ROWS:.0e} rows in {count} partitions:"
    )
    for workers in _PAPER_WORKERS:
        total = ceil(count / workers) * (_PAPER_ROWS / count * row + lease) + join
        read = 8 * (FEATURES + 1) * _PAPER_ROWS / total / 1e9
        speed = count * (_PAPER_ROWS / count * row + lease) / total
        print(f"  {workers:>4} workers: {total:8.3g} s, {speed:5.3g} × one; the storage gives {read:.3g} GB/s")
    print()
