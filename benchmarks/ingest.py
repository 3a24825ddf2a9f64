"""How long a table takes to become a dataset, against Arrow's own read of the same file in the same run."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from benchmarks.comparison import Aim, compare, in_turns
from slope.tabular.apart import Allowance, Sent, ingest_apart
from slope.tabular.reading import Format, Limits, Reading

_ROWS, _COLUMNS, _REPEATS = 1_000_000, 10, 7
_ALLOWANCE = Allowance(Limits(), 512 * 2**20, 600.0)
_AIM = Aim("at most", 2.0)


def run() -> None:
    """Ten million numbers as CSV and as Parquet: read, checked, summarized, hashed and written, against read."""
    numbers = np.random.default_rng(0)
    table = pa.table({f"c{place}": numbers.standard_normal(_ROWS) for place in range(_COLUMNS)})
    with tempfile.TemporaryDirectory(prefix="slope-bench-") as name:
        csv, parquet = Path(name) / "table.csv", Path(name) / "table.parquet"
        arrow_csv.write_csv(table, csv)
        pq.write_table(table, parquet)
        _compare("CSV", csv, "csv", lambda: arrow_csv.read_csv(csv))
        _compare("Parquet", parquet, "parquet", lambda: pq.read_table(parquet))


def _compare(word: str, file: Path, format: Format, read: Callable[[], object]) -> None:
    sent = Sent(file, format, None, Reading())
    target = file.with_suffix(".stored")
    print(f"{word} of {_ROWS * _COLUMNS:,} numbers, {file.stat().st_size / 1e6:.0f} MB")
    ingest_apart(sent, target, _ALLOWANCE)  # the process that others are forked from is there afterwards
    theirs, ours = f"pyarrow reads {word}", f"Slope takes {word} in"
    ways = {theirs: lambda: _seconds(read), ours: lambda: _seconds(lambda: ingest_apart(sent, target, _ALLOWANCE))}
    compare(in_turns(_REPEATS, ways), ours, theirs, "s", _AIM)


def _seconds(action: Callable[[], object]) -> float:
    started = perf_counter()
    action()
    return perf_counter() - started
