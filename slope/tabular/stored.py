"""How tables are stored: Parquet of float64 columns without nulls, in row groups of a few megabytes.

The bits of every number survive, those of −0.0 and of subnormals too. No statistics are written: they stand in SQL.
Nothing is compressed unless it grows far beyond what was sent: to write and read numbers as they are is fastest.
"""

import math
from collections.abc import Iterator, Sequence, Sized
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from slope.arrays import Array

if TYPE_CHECKING:
    from pyarrow import NativeFile

NUMBERS_AT_ONCE = 2_000_000
"""This many numbers of a table, 16 MB of them, are in memory at a time."""
_WIDE = 1_000
"""Columns. What is noted of each of them in each group, or batch, of rows takes room too."""
_READS = 8
"""Parts in which those are read: 2 MB stay in the processor's cache on their way to whoever asks for them."""
_PAGE = 128 * 1024
"""This many numbers, a page of 1 MB, are encoded in one go."""


class TableWriter:
    """Writes a table part by part. Beyond `plain` bytes of numbers, all of it is compressed."""

    def __init__(self, sink: "Path | pa.BufferOutputStream", names: Sequence[str], plain: float = math.inf) -> None:
        self._schema = pa.schema([pa.field(name, pa.float64(), nullable=False) for name in names])
        self._sink = sink
        self._plain = plain
        self._bytes = 0
        self._writer = self._open("none")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.close()

    def write(self, columns: Sequence[Array]) -> None:
        """More rows: for every column as many numbers. They become a row group."""
        arrays = [doubles(np.ascontiguousarray(values)) for values in columns]
        self._bytes += sum(array.nbytes for array in arrays)
        if self._bytes > self._plain and isinstance(self._sink, Path):
            self._compress(self._sink)
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))

    def _compress(self, sink: Path) -> None:
        """Begin again with what has been written, and go on like that."""
        self._writer.close()
        self._plain = math.inf
        written = sink.rename(sink.with_suffix(".plain"))
        self._writer = self._open("lz4")
        with pq.ParquetFile(str(written), pre_buffer=False) as table:
            for group in range(table.metadata.num_row_groups):
                self._writer.write_table(table.read_row_group(group, use_threads=False))
        written.unlink()

    def _open(self, compression: str) -> pq.ParquetWriter:
        return pq.ParquetWriter(
            str(self._sink) if isinstance(self._sink, Path) else self._sink,
            self._schema,
            compression=compression,
            data_page_version="1.0" if compression == "none" else "2.0",  # which keeps a page that would only grow
            use_dictionary=False,
            write_statistics=False,
            store_schema=False,
            write_batch_size=_PAGE,
        )


def encode(names: Sequence[str], columns: Sequence[Array]) -> bytes:
    """A table that is there as a whole, as it is stored."""
    sink = pa.BufferOutputStream()
    rows = rows_at_once(len(names))
    with TableWriter(sink, names) as writer:
        for start in range(0, len(columns[0]), rows):
            writer.write([values[start : start + rows] for values in columns])
    return bytes(sink.getvalue())


def read(file: "NativeFile", names: Sequence[str], rows: range | None = None) -> Iterator[Array]:
    """The named columns of these rows of a stored table, or of all, as matrices of some rows each, float64."""
    # Without pre_buffer=False Arrow has the whole file in memory by the end.
    with pq.ParquetFile(file, pre_buffer=False) as table:
        wanted = range(table.metadata.num_rows) if rows is None else rows
        groups, at = _groups_with(table.metadata, wanted)
        for batch in _batches(table, groups, names):
            start, stop = (min(max(0, edge - at), batch.num_rows) for edge in (wanted.start, wanted.stop))
            at += batch.num_rows
            if start < stop:
                yield _matrix(batch.slice(start, stop - start), names)


def _batches(table: pq.ParquetFile, groups: Sequence[int], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Group by group: a batch that spans several is read column by column, to and fro in the file."""
    size = max(1, rows_at_once(len(names)) // _READS)
    for group in groups:
        # Arrow takes a dot in a name for a path, and may read more columns than were asked for: those are left out.
        yield from table.iter_batches(size, row_groups=[group], columns=list(names), use_threads=False)


def read_rows(file: "NativeFile", names: Sequence[str], rows: range) -> Array:
    """These rows of a stored table, or as many of them as it has: rows × names."""
    with pq.ParquetFile(file) as table:
        groups, before = _groups_with(table.metadata, rows)
        found = table.read_row_groups(groups, columns=list(names), use_threads=False)
        wanted = found.slice(rows.start - before, len(rows)).to_batches()
    return np.concatenate([_matrix(batch, names) for batch in wanted]) if wanted else np.empty((0, len(names)))


def partitions(file: "NativeFile", count: int) -> list[range]:
    """The rows of a stored table in at most `count` ranges of about the same length.

    Each begins with a row group: whoever reads one decodes no row of another.
    """
    with pq.ParquetFile(file) as table:
        groups = [table.metadata.row_group(number).num_rows for number in range(table.metadata.num_row_groups)]
    edges = np.cumsum([0, *groups])
    nearest = {int(edges[np.abs(edges - edges[-1] * part / count).argmin()]) for part in range(count + 1)}
    return [range(start, stop) for start, stop in pairwise(sorted(nearest))]


def doubles(values: Any) -> pa.Array:
    """A buffer of float64 as it is. pa.array() and pa.scalar() load pandas where it is there, which takes 0.1 s."""
    return pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(values)])


def is_wide(columns: Sized) -> bool:
    """Whether what is noted of the columns may take more room than their numbers."""
    return len(columns) > _WIDE


def rows_at_once(width: int) -> int:
    """Of a wide table as many as of one that is not quite."""
    return max(1, NUMBERS_AT_ONCE // min(width, _WIDE))


def _matrix(part: pa.RecordBatch, names: Sequence[str]) -> Array:
    matrix = np.empty((part.num_rows, len(names)), order="F")  # column by column, as it is stored
    for index, name in enumerate(names):
        matrix[:, index] = np.from_dlpack(part.column(name))  # to_numpy() loads pandas where it is there: 0.1 s
    return matrix


def _groups_with(metadata: Any, wanted: range) -> tuple[list[int], int]:
    """The row groups that have some of the rows, and how many rows come before them."""
    groups, before, passed = [], 0, 0
    for number in range(metadata.num_row_groups):
        rows = metadata.row_group(number).num_rows
        if passed + rows <= wanted.start:
            before += rows
        elif passed < wanted.stop:
            groups.append(number)
        passed += rows
    return groups, before
