"""Columns as files: whatever numbers they hold come back to the bit from CSV, Arrow and Parquet."""

import csv
import io
import struct
from collections.abc import Callable

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.api.files.encoding import encode_batches

Cell = float | None
Columns = dict[str, list[Cell]]

names = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1, max_size=12)
cells = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def tables(draw: st.DrawFn) -> Columns:
    rows = draw(st.integers(0, 8))
    columns = draw(st.lists(names, min_size=1, max_size=5, unique=True))
    return {name: draw(st.lists(cells, min_size=rows, max_size=rows)) for name in columns}


def from_arrow(content: bytes) -> Columns:
    return pa.ipc.open_stream(content).read_all().to_pydict()


def from_parquet(content: bytes) -> Columns:
    return pa.parquet.read_table(io.BytesIO(content)).to_pydict()


def from_csv(content: bytes) -> Columns:
    """By Python's own reader: what is between two commas is the whole number."""
    header, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
    if len(header) == 1:  # a line with nothing on it is a row whose only cell is empty
        rows = [row or [""] for row in rows]
    return {name: [float(row[place]) if row[place] else None for row in rows] for place, name in enumerate(header)}


def bits(columns: Columns) -> dict[str, list[bytes | None]]:
    return {
        name: [None if cell is None else struct.pack("<d", cell) for cell in column] for name, column in columns.items()
    }


@pytest.mark.parametrize(
    ("format", "decoded"), [("csv", from_csv), ("arrow", from_arrow), ("parquet", from_parquet)], ids=lambda each: None
)
@settings(deadline=None)
@given(table=tables(), chunk=st.integers(1, 5))
def test_any_table_of_finite_numbers_comes_back_equal(
    format: str, decoded: Callable[[bytes], Columns], table: Columns, chunk: int
) -> None:
    whole = pa.table({name: pa.array(column, pa.float64()) for name, column in table.items()})
    content = b"".join(encode_batches(format, whole.schema, iter(whole.to_batches(max_chunksize=chunk))))  # type: ignore[arg-type]
    assert bits(decoded(content)) == bits(table)


@pytest.mark.parametrize("format", ["csv", "arrow", "parquet"])
def test_bytes_are_given_away_while_batches_are_still_to_come(format: str) -> None:
    batch = pa.record_batch({"a": pa.array([float(each) for each in range(2000)])})
    lengths = [len(part) for part in encode_batches(format, batch.schema, iter([batch] * 5))]  # type: ignore[arg-type]
    assert all(length > 2000 for length in lengths[1:6])
