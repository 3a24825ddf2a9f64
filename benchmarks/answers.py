"""A history as a file, read from the database and written, over DuckDB's COPY of the same table, and thinned out."""

import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any, Literal
from uuid import UUID

import duckdb
import pyarrow as pa

from benchmarks import servers
from benchmarks.comparison import Aim, compare, in_turns
from benchmarks.recording import add_job, flushes, record
from service.api.files.columns import epoch_batch, epoch_schema
from service.api.files.encoding import encode_batches
from service.api.files.lines import epoch_lines
from service.records import chunks
from service.store.database import Database

_ROWS, _REPEATS, _POINTS = 1_000_000, 3, 400
_RIVAL, _CSV, _ARROW, _LINES = "DuckDB: COPY to CSV", "Slope: CSV", "Slope: Arrow", "Slope: NDJSON"


def run() -> None:
    with servers.running() as running, tempfile.TemporaryDirectory(prefix="slope-bench-") as folder:
        for kind in servers.DATABASES:
            with running.database(kind) as database:
                _compare(kind, database, Path(folder))


def _compare(kind: str, database: Database, folder: Path) -> None:
    job_id = add_job(database)
    for flush in flushes(_ROWS):
        record(database, job_id, flush)
    print(f"answers: {_ROWS:,} epochs of 10 features from {kind}")
    ways = {_RIVAL: lambda: _copy(rival, folder / "epochs.csv")}
    ways |= {_CSV: lambda: _table(database, job_id, "csv"), _ARROW: lambda: _table(database, job_id, "arrow")}
    with duckdb.connect(folder / f"{kind}.duckdb") as rival:
        _fill(rival, database, job_id)
        measured = in_turns(_REPEATS, ways | {_LINES: lambda: _lines(database, job_id)})
    compare(measured, _CSV, _RIVAL, "rows/s", Aim("at least", 0.5))
    compare(measured, _ARROW, _RIVAL, "rows/s")
    compare(measured, _LINES, _RIVAL, "rows/s")
    print(f"  points={_POINTS}: {_thinned(database, job_id):.3f} s\n", flush=True)


def _fill(rival: Any, database: Database, job_id: UUID) -> None:
    history = chunks.epoch_history(database, job_id)
    schema = epoch_schema(history.features)
    batches = pa.RecordBatchReader.from_batches(schema, (epoch_batch(chunk, schema) for chunk in history.chunks))
    rival.register("history", batches)
    rival.execute("CREATE TABLE epochs AS SELECT * FROM history")


def _copy(rival: Any, path: Path) -> float:
    """Rows a second."""
    started = perf_counter()
    rival.execute(f"COPY epochs TO '{path}' (FORMAT csv, HEADER)")
    return _ROWS / (perf_counter() - started)


def _table(database: Database, job_id: UUID, format: Literal["csv", "arrow"]) -> float:
    started = perf_counter()
    history = chunks.epoch_history(database, job_id)
    schema = epoch_schema(history.features)
    for _ in encode_batches(format, schema, (epoch_batch(chunk, schema) for chunk in history.chunks)):
        pass
    return _ROWS / (perf_counter() - started)


def _lines(database: Database, job_id: UUID) -> float:
    started = perf_counter()
    for chunk in chunks.epoch_history(database, job_id).chunks:
        "\n".join(epoch_lines(chunk)).encode()
    return _ROWS / (perf_counter() - started)


def _thinned(database: Database, job_id: UUID) -> float:
    started = perf_counter()
    for _ in chunks.thinned_epochs(database, job_id, points=_POINTS).chunks:
        pass
    return perf_counter() - started
