"""Writing epoch rows over a bare COPY or executemany of the same rows, and over MLflow's and Trackio's batches."""

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter, time
from uuid import UUID

import numpy as np
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient
from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from benchmarks import servers
from benchmarks.comparison import Aim, compare, heading, in_turns
from benchmarks.servers import Servers
from service.store import datasets, schema
from service.store.database import Database, now
from service.store.jobs import jobs
from service.store.records import bulk, extremes
from service.store.records.bulk import COPY_HEADER, COPY_TRAILER, as_binary, as_tuples
from service.store.tables import Epoch
from slope.columns import EpochColumns
from slope.records import EpochRecord, EpochTable
from slope.spec import TrainingSpec
from slope.spec.data import DEFAULT_TARGET

_ROWS, _FEATURES, _FLUSH = 1_000_000, 10, 10_000
_NUMBERS = 9 + 3 * _FEATURES
"""Of a row, beside its epoch."""
_MLFLOW_BATCHES, _TRACKED_BATCH = 5, 1000


def run() -> None:
    with servers.running() as running:
        for kind in servers.DATABASES:
            _compare(running, kind)
    _compare_with_trackers()


def _compare(running: Servers, kind: str) -> None:
    heading(f"recording: {_ROWS:,} epoch rows of {_FEATURES} features to {kind}, durable, {_FLUSH:,} a transaction")
    ours, theirs = "Slope: from arrays", f"bare {'executemany' if kind == 'SQLite' else 'COPY'}, its rows ready"
    with running.database(kind) as database:
        # Flush by flush in turns, each way the same numbers: both see the same weather.
        bare, recorded = (map(partial(way, database, add_job(database)), flushes(_ROWS)) for way in (_bare, record))
        ways = {theirs: partial(next, bare), ours: partial(next, recorded)}
        measured = in_turns(_ROWS // _FLUSH, ways)
        compare(measured, theirs, ours, "µs a row", Aim("at least", 0.5))
        with database.reading() as session:
            written = session.scalar(select(func.count()).select_from(Epoch))
        if written != 2 * _ROWS:
            raise SystemExit(f"{written} rows were written")


def _compare_with_trackers() -> None:
    heading(f"recording: numbers to SQLite, durable; MLflow and Trackio in batches of {_TRACKED_BATCH:,}")
    ours, mlflow, trackio = "Slope: epoch rows", "MLflow: log_batch", "Trackio: bulk_log"
    with tempfile.TemporaryDirectory(prefix="slope-bench-") as folder:
        database = Database(f"sqlite:///{folder}/slope.db")
        schema.upgrade_schema(database)
        client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
        run_id = client.create_run(client.create_experiment("bench")).info.run_id
        ways = {
            mlflow: lambda: _log_batches(client, run_id) / (_MLFLOW_BATCHES * _TRACKED_BATCH) * 1e6,
            ours: lambda: record(database, add_job(database), next(flushes(_FLUSH))) / _NUMBERS,
        }
        if log_to_trackio := tracking(Path(folder)):
            ways[trackio] = lambda: log_to_trackio(next(flushes(_FLUSH))) / (_FLUSH * _NUMBERS) * 1e6
        measured = in_turns(3, ways)
        compare(measured, mlflow, ours, "µs a number", Aim("at least", 20))
        if trackio in measured:
            compare(measured, trackio, ours, "µs a number", Aim("at least", 1))
        database.dispose()


def tracking(folder: Path) -> Callable[[EpochColumns], float] | None:
    """Seconds in which Trackio has written epochs to its SQLite database; None where it is not installed."""
    os.environ |= {"TRACKIO_DIR": str(folder), "HF_HUB_OFFLINE": "1"}
    try:
        from trackio.sqlite_storage import SQLiteStorage
    except ImportError:
        print("  the package trackio is not installed (extra `bench`)")
        return None

    def log(columns: EpochColumns) -> float:
        rows, run = [_metrics(row) for row in EpochTable(columns, None)], uuid7().hex
        started = perf_counter()
        for start in range(0, len(rows), _TRACKED_BATCH):
            part = rows[start : start + _TRACKED_BATCH]
            SQLiteStorage.bulk_log("bench", run, part, list(range(start, start + len(part))))
        return perf_counter() - started

    return log


def _metrics(epoch: EpochRecord) -> dict[str, float]:
    """All numbers of an epoch by name, as a tracker wants them."""
    named = {"loss": epoch.loss, "last_loss": epoch.last_loss, "norm": epoch.gradient_norm, "rate": epoch.learning_rate}
    named |= {"validation_loss": epoch.validation_loss or 0.0, "seconds": epoch.seconds}
    vectors = {"mean": epoch.gradient_mean, "last": epoch.gradient_last, "at": epoch.parameters}
    for name, vector in vectors.items():
        named |= {f"{name}.{place}": number for place, number in enumerate(vector.weights or [])}
        named[f"{name}.bias"] = vector.bias or 0.0
    return named


def flushes(rows: int) -> Iterator[EpochColumns]:
    random = np.random.RandomState(1)
    for start in range(0, rows, _FLUSH):
        numbers, vectors = random.standard_normal((9, _FLUSH)), random.standard_normal((3, _FLUSH, _FEATURES))
        yield EpochColumns(
            epoch=np.arange(start, start + _FLUSH),
            loss=numbers[0],
            last_loss=numbers[1],
            validation_loss=numbers[2],
            gradient_mean_weights=vectors[0],
            gradient_mean_bias=numbers[3],
            gradient_last_weights=vectors[1],
            gradient_last_bias=numbers[4],
            gradient_norm=numbers[5],
            weights=vectors[2],
            bias=numbers[6],
            learning_rate=numbers[7],
            seconds=numbers[8],
        )


def record(database: Database, job_id: UUID, columns: EpochColumns) -> float:
    """Microseconds a row."""
    started = perf_counter()
    with database.writing() as session:
        bulk.add_epochs(session, [job_id] * _FLUSH, columns)
        extremes.add_extremes_of_jobs(session, {0: job_id}, np.zeros(_FLUSH, int), columns)
        session.commit()
    return (perf_counter() - started) / _FLUSH * 1e6


def _bare(database: Database, job_id: UUID, columns: EpochColumns) -> float:
    """Microseconds that the driver needs for a row that is laid out for it already."""
    arrays, job_ids = columns.arrays(), [job_id] * _FLUSH
    names = ["job_id", *arrays]
    connection = database.writer.raw_connection()
    cursor = connection.cursor()
    if database.is_sqlite:
        rows = as_tuples(job_ids, arrays)
        started = perf_counter()
        cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany(f"INSERT INTO epochs ({','.join(names)}) VALUES ({','.join('?' * len(names))})", rows)
    else:
        content = COPY_HEADER + as_binary(job_ids, arrays) + COPY_TRAILER
        started = perf_counter()
        with cursor.copy(f"COPY epochs ({','.join(names)}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(content)
    connection.commit()
    took = perf_counter() - started
    connection.close()
    return took / _FLUSH * 1e6


def _log_batches(client: MlflowClient, run_id: str) -> float:
    took = 0.0
    for _ in range(_MLFLOW_BATCHES):
        moment, key = int(time() * 1000), uuid7().hex
        metrics = [Metric(f"{key}.{n % _FEATURES}", 0.1 * n, moment, n // _FEATURES) for n in range(_TRACKED_BATCH)]
        started = perf_counter()
        client.log_batch(run_id, metrics=metrics)
        took += perf_counter() - started
    return took


def add_job(database: Database) -> UUID:
    """A job that rows may belong to."""
    spec, job_id = TrainingSpec(learning_rate=0.01), uuid7()
    with database.writing() as session:
        dataset_id = uuid7()
        values = {"columns": [], "content_hash": dataset_id.hex, "object_id": dataset_id, "size": 0, "rows": 1}
        values |= {"is_inline": True, "name": None}
        datasets.add_dataset(session, {"id": dataset_id, "created_at": now(session)} | values)
        job = {
            "id": job_id,
            "created_at": now(session),
            "dataset_id": dataset_id,
            "features": [f"x{each}" for each in range(_FEATURES)],
            "target": DEFAULT_TARGET,
            "spec": spec.model_dump(mode="json"),
            "predict": [],
            "device": "cpu",
            "metadata": {},
            "plan": {},
            "status": "queued",
            "epochs": spec.epochs,
        }
        jobs.add_job(session, job)
        session.commit()
    return job_id
