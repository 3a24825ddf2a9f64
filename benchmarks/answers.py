"""A history as a file, read from the database and written, over DuckDB and ClickHouse writing it; and thinned out."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, Literal
from uuid import UUID

import duckdb
import pyarrow as pa

try:
    import chdb
    import chdb.session
except ImportError:
    chdb = None

from benchmarks import servers
from benchmarks.comparison import Aim, compare, heading, in_turns
from benchmarks.recording import add_job, flushes, record
from service.api.files.columns import epoch_batch, epoch_schema
from service.api.files.encoding import encode_batches
from service.api.files.lines import epoch_lines
from service.records import chunks
from service.store.database import Database

_ROWS, _REPEATS, _POINTS, _THINNED_SECONDS = 1_000_000, 3, 400, 0.02
_RIVAL, _CLICKHOUSE = "DuckDB: COPY to CSV", "ClickHouse (chdb): CSV"
_THINNED, _ASKED = f"Slope: points={_POINTS}", "what was asked for"
_CSV, _ARROW, _LINES = "Slope: CSV", "Slope: Arrow", "Slope: NDJSON"


def run() -> None:
    with servers.running() as running, tempfile.TemporaryDirectory(prefix="slope-bench-") as folder:
        for kind in servers.DATABASES:
            with running.database(kind) as database:
                _compare(kind, database, Path(folder))


def _compare(kind: str, database: Database, folder: Path) -> None:
    job_id = add_job(database)
    for flush in flushes(_ROWS):
        record(database, job_id, flush)
    heading(f"answers: {_ROWS:,} epochs of 10 features from {kind}")
    with duckdb.connect(folder / f"{kind}.duckdb") as rival:
        _fill(rival, database, job_id)
        ways: dict[str, Callable[[], float]] = {
            _RIVAL: lambda: _copy(rival, folder / "epochs.csv"),
            _CSV: lambda: _table(database, job_id, "csv"),
            _ARROW: lambda: _table(database, job_id, "arrow"),
        }
        if chdb is not None:
            clickhouse = _filled_clickhouse(rival, folder / kind)
            ways[_CLICKHOUSE] = lambda: _write_by(clickhouse, folder / "clickhouse.csv")
        measured = in_turns(_REPEATS, ways | {_LINES: lambda: _lines(database, job_id)})
    compare(measured, _CSV, _RIVAL, "rows/s", Aim("at least", 0.5))
    if _CLICKHOUSE in measured:
        compare(measured, _CSV, _CLICKHOUSE, "rows/s")
    compare(measured, _ARROW, _RIVAL, "rows/s")
    compare(measured, _LINES, _RIVAL, "rows/s")
    thinned = {_THINNED: [_thinned(database, job_id) for _ in range(_REPEATS)]}
    asked = {_ASKED: [_THINNED_SECONDS] * _REPEATS}
    compare(thinned | asked, _THINNED, _ASKED, "s", Aim("at most", 1))


def _fill(rival: Any, database: Database, job_id: UUID) -> None:
    history = chunks.epoch_history(database, job_id)
    schema = epoch_schema(history.features)
    batches = pa.RecordBatchReader.from_batches(schema, (epoch_batch(chunk, schema) for chunk in history.chunks))
    rival.register("history", batches)
    rival.execute("CREATE TABLE epochs AS SELECT * FROM history")


def _filled_clickhouse(duck: Any, folder: Path) -> Any:
    """A session of ClickHouse in this process with the same table, sorted by epoch on its disk."""
    duck.execute(f"COPY epochs TO '{folder}.parquet' (FORMAT parquet)")
    session = chdb.session.Session(f"{folder}.clickhouse")
    session.query("CREATE DATABASE IF NOT EXISTS bench")
    source = f"file('{folder}.parquet')"
    session.query(f"CREATE TABLE bench.epochs ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM {source}")
    return session


def _write_by(session: Any, path: Path) -> float:
    """Rows a second."""
    path.unlink(missing_ok=True)
    started = perf_counter()
    session.query(f"SELECT * FROM bench.epochs INTO OUTFILE '{path}' FORMAT CSVWithNames")
    return _ROWS / (perf_counter() - started)


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
