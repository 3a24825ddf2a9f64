"""Any table, in any way that people write tables, is read as plain Python reads it: one content in all formats."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slope.tabular.ingest import ingest
from slope.tabular.reading import Format, Limits, Reading
from slope.tabular.stored import read
from slope.tabular.summary import Summary, summarize

Cell = bool | int | float | None

SMALL = Limits(row_bytes=1024)
"""Of which some rows are a block: what is read depends on none."""
_KINDS: list[st.SearchStrategy[Any]] = [
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.decimals(-(10**6), 10**6, places=2).map(float),
    st.booleans(),
]


@dataclass(frozen=True)
class Written:
    """A table, and how its text is written."""

    columns: dict[str, list[Cell]]
    delimiter: str
    decimal: str
    quoting: int
    end: str
    charset: str
    missing: str
    has_last_end: bool

    @property
    def rows(self) -> list[tuple[Cell, ...]]:
        return list(zip(*self.columns.values(), strict=True))


@st.composite
def tables(draw: st.DrawFn) -> Written:
    letters = st.characters(codec="utf-8", categories=["L", "N", "P", "S"])
    spaced = st.text(letters, min_size=1, max_size=6).map(
        lambda name: f"n{name}"
    )  # no number, nor what else may stand there
    names = draw(st.lists(spaced, min_size=1, max_size=5, unique=True))
    count = draw(st.integers(1, 60))
    kinds = [draw(st.sampled_from(_KINDS)) for _ in names]
    cells = [st.none() | kind if draw(st.booleans()) else kind for kind in kinds]
    columns = {
        name: draw(st.lists(cell, min_size=count, max_size=count)) for name, cell in zip(names, cells, strict=True)
    }
    delimiter, decimal = draw(
        st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", "."), ("|", ","), (",", ",")])
    )
    return Written(
        columns,
        delimiter,
        decimal,
        draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])),
        draw(st.sampled_from(["\n", "\r\n", "\r"])),
        draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"])),
        draw(st.sampled_from(["", "NA", "?", " ?", "-", "<NA>"])),
        draw(st.booleans()),
    )


def as_text(table: Written) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=table.delimiter, lineterminator=table.end, quoting=table.quoting)  # type: ignore[arg-type]
    writer.writerow(table.columns)
    writer.writerows([_cell(value, table) for value in row] for row in table.rows)
    whole = text.getvalue()
    return (whole if table.has_last_end else whole.removesuffix(table.end)).encode(table.charset)


def _cell(value: Cell, table: Written) -> str:
    if value is None:
        return table.missing
    return str(value).lower() if isinstance(value, bool) else repr(value).replace(".", table.decimal)


def as_lines(table: Written) -> bytes:
    lines = (json.dumps(dict(zip(table.columns, row, strict=True)), ensure_ascii=False) for row in table.rows)
    return "\n".join(lines).encode(table.charset)


def as_rows(table: Written) -> bytes:
    return json.dumps([dict(zip(table.columns, row, strict=True)) for row in table.rows]).encode(table.charset)


def as_columns(table: Written) -> bytes:
    return json.dumps(table.columns, ensure_ascii=False).encode(table.charset)


def as_parquet(table: Written) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(table.columns), sink, row_group_size=7)
    return sink.getvalue()


def as_arrow(table: Written) -> bytes:
    sink = io.BytesIO()
    whole = pa.table(table.columns)
    with pa.ipc.new_stream(sink, whole.schema) as writer:
        writer.write_table(whole, max_chunksize=7)
    return sink.getvalue()


WRITERS: list[tuple[Format, Callable[[Written], bytes]]] = [
    ("csv", as_text),
    ("ndjson", as_lines),
    ("json", as_rows),
    ("json", as_columns),
    ("parquet", as_parquet),
    ("arrow", as_arrow),
]


def plainly(table: Written) -> tuple[list[list[str]], list[int], str]:
    """The columns by Python alone, with zeros for nothing: their bits, how many had nothing, and their content hash."""
    columns = [
        np.array([0.0 if value is None else float(value) for value in values]) for values in table.columns.values()
    ]
    nulls = [sum(value is None for value in values) for values in table.columns.values()]
    return [[value.hex() for value in column.tolist()] for column in columns], nulls, _hash(table.columns, columns)


def _hash(names: Any, columns: list[np.ndarray[Any, Any]]) -> str:
    return summarize(list(names), columns).content_hash


def read_in(folder: Path, table: Written, format: Format, body: bytes) -> tuple[Summary, list[list[str]]]:
    (folder / "body").write_bytes(body)
    reading = Reading(
        header=True,
        delimiter=table.delimiter,
        decimal=table.decimal,
        nulls="zero",
        missing=(table.missing.strip(),),
    )
    summary = ingest(folder / "body", format, folder / "table", reading, SMALL)
    with pa.OSFile(str(folder / "table")) as file:
        matrix = np.vstack(list(read(file, [column.name for column in summary.columns])))
    return summary, [[value.hex() for value in column] for column in matrix.T.tolist()]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(tables())
def test_a_table_is_the_same_in_every_format_as_in_plain_python(tmp_path: Path, table: Written) -> None:
    expected, nulls, content = plainly(table)

    for format, write in WRITERS:
        summary, columns = read_in(tmp_path, table, format, write(table))

        assert [column.name for column in summary.columns] == list(table.columns), write
        assert [column.nulls for column in summary.columns] == nulls, write
        assert columns == expected, write
        assert summary.content_hash == content, write
