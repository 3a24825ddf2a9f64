"""How long a table takes to become a dataset, against Arrow's own read of the same file in the same run."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, sleep

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from benchmarks.comparison import Aim, compare, heading, in_turns
from slope.tabular.isolated import Allowance, Sent, ingest_isolated
from slope.tabular.reading import Format, Limits, Reading

_ROWS, _COLUMNS, _REPEATS = 1_000_000, 10, 7
_PAUSE = 0.1
_ALLOWANCE = Allowance(Limits(), 512 * 2**20, 600.0)
_AIM = Aim("at most", 2.0)


def run() -> None:
    """Ten million numbers as CSV and as Parquet: read, checked, summarized, hashed and written, against read."""
    numbers = np.random.default_rng(0)
    table = pa.table({f"c{place}": numbers.standard_normal(_ROWS) for place in range(_COLUMNS)})
    with tempfile.TemporaryDirectory(prefix="slope-bench-") as name:
        csv, parquet, flats = (Path(name) / each for each in ("table.csv", "table.parquet", "flats.parquet"))
        arrow_csv.write_csv(table, csv)
        pq.write_table(table, parquet)
        pq.write_table(_flats(numbers), flats)
        _compare("CSV", csv, "csv", lambda: arrow_csv.read_csv(csv))
        _compare("Parquet of random bits", parquet, "parquet", lambda: pq.read_table(parquet))
        _compare("Parquet of rounded and whole", flats, "parquet", lambda: pq.read_table(flats))


def _flats(numbers: np.random.Generator) -> pa.Table:
    """Columns as people have them: whole or rounded, most with values that come again, so that they compress."""
    columns = {
        "year": numbers.integers(1950, 2025, _ROWS),
        "month": numbers.integers(1, 13, _ROWS).astype(np.int32),
        "rooms": numbers.poisson(3, _ROWS),
        "is_new": numbers.random(_ROWS) < 0.1,
        "area": numbers.normal(80, 25, _ROWS).round(1),
        "rent": numbers.lognormal(7, 0.4, _ROWS).round(),
        "price": numbers.lognormal(12, 0.4, _ROWS).round(2),
        "latitude": numbers.normal(48, 1, _ROWS).round(5),
        "rating": numbers.integers(0, 51, _ROWS) / 10,
        "distance": numbers.exponential(5, _ROWS).round(2),
    }
    return pa.table(columns)


def _compare(word: str, file: Path, format: Format, read: Callable[[], object]) -> None:
    sent = Sent(file, format, None, Reading())
    target = file.with_suffix(".stored")
    heading(f"{word} of {_ROWS * _COLUMNS:,} numbers, {file.stat().st_size / 1e6:.0f} MB")
    theirs, ours = "pyarrow reads it", "Slope takes it in"
    ways = {theirs: lambda: _seconds(read), ours: lambda: _taken_in(sent, target)}
    _taken_in(sent, target)  # the process that others are forked from is there afterwards
    compare(in_turns(_REPEATS, ways), ours, theirs, "s", _AIM)


def _taken_in(sent: Sent, target: Path) -> float:
    """Seconds, to a new file: to cut the last one off takes its own time, and no upload does.

    The process that reads the next one is started while nobody waits: neither way is to pay for it.
    """
    target.unlink(missing_ok=True)
    seconds = _seconds(lambda: ingest_isolated(sent, target, _ALLOWANCE))
    sleep(_PAUSE)
    return seconds


def _seconds(action: Callable[[], object]) -> float:
    started = perf_counter()
    action()
    return perf_counter() - started
