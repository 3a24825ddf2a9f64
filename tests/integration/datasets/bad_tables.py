"""Files that nobody can learn from, what is said of each, and where the blame is put."""

import gzip
import io
import json
import struct
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CSV, NDJSON, JSON = "text/csv", "application/x-ndjson", "application/json"
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"


@dataclass(frozen=True)
class BadTable:
    """A body, the place that a problem about it points at, and its status."""

    name: str
    body: bytes
    kind: str
    pointer: str | None
    status: int = 422
    parameters: dict[str, Any] = field(default_factory=dict)
    encoding: str | None = None


def parquet(columns: dict[str, Any] | pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), sink, **options)
    return sink.getvalue()


def arrow(columns: dict[str, Any] | pa.Table, **options: Any) -> bytes:
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def lines(*rows: Any) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


def twice(name: str) -> pa.Table:
    return pa.table([[1.0], [2.0]], names=[name, name])


def damaged(body: bytes, place: int) -> bytes:
    return body[:place] + bytes([body[place] ^ 0xFF]) + body[place + 1 :]


NUMBERS = {"a": [1.0, 2.0], "b": [3.0, 4.0]}
MANY = {"a": np.arange(100_000.0), "b": np.arange(100_000.0)}
WIDE = 20_000
FAR = b"a,b\n" + b"1,2\n" * 400_000


def claims_rows(body: bytes, rows: int) -> bytes:
    """A Parquet file whose footer says it had more rows; of its other counts it says nothing."""
    length = struct.unpack("<I", body[-8:-4])[0]
    footer = body[-8 - length : -8].replace(b"\x16\x04", b"\x16" + _varint(2 * rows))
    return body[: -8 - length] + footer + struct.pack("<I", len(footer)) + b"PAR1"


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


CORPUS = [
    # CSV
    BadTable("a word", b"a,b\n1,2\n3,x\n", CSV, "/1/b"),
    BadTable("a word far down", FAR + b"1,x\n", CSV, "/400000/b"),
    BadTable("a column of words", b"a,b\nu,1\nv,2\n", CSV, "/0/a"),
    BadTable("words beside words that are named", b"a,b\nu,w\nv,z\n", CSV, "/0/b", parameters={"one_hot": "a"}),
    BadTable("an empty cell", b"a,b\n1,2\n3,\n", CSV, "/1/b"),
    BadTable("an empty cell far down", FAR + b",5\n", CSV, "/400000/a"),
    BadTable("not a number", b"a,b\n1,nan\n", CSV, "/0/b"),
    BadTable("infinity", b"a,b\n1,2\n1,-inf\n", CSV, "/1/b"),
    BadTable("a number beyond float64", b"a,b\n1e400,2\n", CSV, "/0/a"),
    BadTable("a date", b"a,b\n2026-01-01,2\n", CSV, "/0/a"),
    BadTable("a row too long", b"a,b\n1,2\n1,2,3\n", CSV, "/1"),
    BadTable("a row too short", b"a,b\n1,2\n1\n", CSV, "/1"),
    BadTable("a row too short far down", FAR + b"1\n", CSV, "/400000"),
    BadTable("no header and a word", b"1,2\n3,x\n", CSV, "/1/c1"),
    BadTable("a header that is said to be none", b"a,b\n1,2\n", CSV, "/0/c0", parameters={"header": "false"}),
    BadTable("nothing", b"", CSV, None),
    BadTable("nothing but lines", b"\n\n\n", CSV, None),
    BadTable("a header alone", b"a,b\n", CSV, None),
    BadTable("two columns of one name", b"a,a\n1,2\n", CSV, "/a"),
    BadTable("a column without a name", b"a,,c\n1,2,3\n", CSV, None),
    BadTable("a name of 300 letters", b"a" * 300 + b",b\n1,2\n", CSV, None),
    BadTable("a name with a NUL", b"a\x00,b\n1,2\n", CSV, None),
    BadTable("a name that rings", b"a\x07,b\n1,2\n", CSV, None),
    BadTable("UTF-16 without a mark", "a,b\n1,2\n".encode("utf-16-le"), CSV, None),
    BadTable("a cell that is not UTF-8", b"a,b\n1,2\n1,\xff\n", CSV, None),
    BadTable("categories that are not UTF-8", b"a,b\n1,u\n1,\xff\n", CSV, None, parameters={"one_hot": "b"}),
    BadTable("the wrong decimal sign", b"a;b\n1,5;2\n", CSV, "/0/a", parameters={"delimiter": ";"}),
    BadTable("a million columns", b",".join(b"c%d" % n for n in range(10**6)) + b"\n", CSV, None, status=413),
    BadTable("twenty thousand columns", b",".join(b"c%d" % n for n in range(WIDE)) + b"\n1", CSV, None, status=413),
    BadTable("a quote never closed", b'a,b\n1,"2\n' + b"3,4\n" * 500_000, CSV, "/0/b"),
    BadTable("a quote never closed in the header", b'a,"b\n' + b"3,4\n" * 500_000, CSV, None, status=413),
    BadTable("a line that does not end", b"a,b\n1," + b"2" * 3_000_000, CSV, None, status=413),
    BadTable("Parquet that is said to be CSV", parquet(NUMBERS), CSV, None),
    BadTable("a column to split that is not there", b"a,b\n1,2\n", CSV, "/query/one_hot", parameters={"one_hot": "z"}),
    BadTable("nothing left", b"a,b\n1,\n,2\n", CSV, None, parameters={"nulls": "drop"}),
    BadTable("no column left", b"a,b\nu,v\n", CSV, None, parameters={"text": "drop"}),
    BadTable(
        "two thousand categories",
        b"a,b\n" + b"".join(b"1,v%d\n" % n for n in range(2000)),
        CSV,
        "/b",
        status=413,
        parameters={"one_hot": "b"},
    ),
    # On its way
    BadTable("gzip cut short", gzip.compress(FAR)[:-20], CSV, None, encoding="gzip"),
    BadTable("gzip that is none", b"a,b\n1,2\n", CSV, None, encoding="gzip"),
    BadTable("zstd that is none", b"a,b\n1,2\n", CSV, None, encoding="zstd"),
    BadTable("a bomb of gzip", gzip.compress(b"1,2\n" * 20_000_000), CSV, None, status=413, encoding="gzip"),
    # NDJSON
    BadTable("a line of text", b'{"a":1}\nhello\n', NDJSON, "/1"),
    BadTable("a line cut short", b'{"a":1}\n{"a":2', NDJSON, "/1"),
    BadTable("a list for a line", b"[1,2]\n", NDJSON, "/0"),
    BadTable("a word among numbers", lines({"a": 1}, {"a": "x"}), NDJSON, "/1/a"),
    BadTable("a truth among numbers", lines({"a": 1}, {"a": True}), NDJSON, "/1/a"),
    BadTable("a list in a cell", lines({"a": 1}, {"a": [1]}), NDJSON, "/1/a"),
    BadTable("lists in every cell", lines({"a": [1]}, {"a": [1]}), NDJSON, "/a"),
    BadTable("null", lines({"a": 1}, {"a": None}), NDJSON, "/1/a"),
    BadTable("a missing name", lines({"a": 1, "b": 2}, {"a": 2}), NDJSON, "/1/b"),
    BadTable("a name twice in a line", b'{"a":1,"a":2}\n', NDJSON, "/0/a"),
    BadTable("NaN in a line", b'{"a":1}\n{"a":NaN}\n', NDJSON, "/1/a"),
    BadTable("no line", b"", NDJSON, None),
    BadTable("a nest so deep that Arrow crashes", b'{"a":' + b"[" * 10**5 + b"]" * 10**5 + b"}\n", NDJSON, None),
    BadTable("a long line", b'{"a":"' + b"x" * 3_000_000 + b'"}\n', NDJSON, "/0", status=413),
    # JSON
    BadTable("a number for a document", b"1", JSON, None),
    BadTable("a document cut short", b'[{"a":1},', JSON, None),
    BadTable("something after the document", b'[{"a":1}] x', JSON, None),
    BadTable("an empty list", b"[]", JSON, None),
    BadTable("an empty object", b"{}", JSON, None),
    BadTable("rows that are lists", b"[[1,2]]", JSON, "/0"),
    BadTable("a word in a row", b'[{"a":1},{"a":"x"}]', JSON, "/1/a"),
    BadTable("a row without a name", b'[{"a":1,"b":1},{"a":2}]', JSON, "/1/b"),
    BadTable("columns of other lengths", b'{"a":[1,2],"b":[1]}', JSON, "/b"),
    BadTable("a column that is a number", b'{"a":1}', JSON, "/a"),
    BadTable("ragged rows of x", b'{"x":[[1,2],[3]],"y":[1,2]}', JSON, "/1/x"),
    BadTable("a number beyond float64 in JSON", b'{"a":[1e400]}', JSON, None),
    BadTable("a whole number beyond float64", b'{"a":[' + b"9" * 400 + b"]}", JSON, None),
    BadTable("a deep nest in JSON", b'{"a":' + b"[" * 100_000, JSON, "/0/a"),
    BadTable("NaN in JSON", b'{"a":[NaN]}', JSON, None),
    # Parquet and Arrow
    BadTable("CSV that is said to be Parquet", b"a,b\n1,2\n", PARQUET, None),
    BadTable("Parquet cut short", parquet(MANY)[:-100], PARQUET, None),
    BadTable("Parquet without its middle", (b := parquet(MANY))[:1000] + b[200_000:], PARQUET, None),
    BadTable("Parquet with a damaged footer", damaged(parquet(NUMBERS), len(parquet(NUMBERS)) - 9), PARQUET, None),
    BadTable("Parquet that claims 10¹² rows", claims_rows(parquet(NUMBERS), 10**12), PARQUET, None, status=413),
    BadTable("Parquet with a null", parquet({"a": [1.0, None]}), PARQUET, "/1/a"),
    BadTable("Parquet with NaN", parquet({"a": [1.0, float("nan")]}), PARQUET, "/1/a"),
    BadTable("Parquet with infinity", parquet({"a": [1.0], "b": [float("inf")]}), PARQUET, "/0/b"),
    BadTable("Parquet with words", parquet({"a": ["u"], "b": [1.0]}), PARQUET, "/0/a"),
    BadTable("Parquet with dates", parquet({"a": [date(2026, 1, 1)], "b": [1.0]}), PARQUET, "/0/a"),
    BadTable("Parquet with lists", parquet({"a": [[1.0]], "b": [1.0]}), PARQUET, "/a"),
    BadTable("Parquet with structures", parquet({"a": [{"b": 1.0}]}), PARQUET, "/a"),
    BadTable("Parquet with one name twice", parquet(twice("a")), PARQUET, "/a"),
    BadTable("an inexact whole number", parquet({"a": [1, 2**53 + 1]}), PARQUET, "/1/a"),
    BadTable("Parquet without rows", parquet({"a": pa.array([], pa.float64())}), PARQUET, None),
    BadTable("Parquet without columns", parquet(pa.table({})), PARQUET, None),
    BadTable("a stream cut short", arrow(MANY)[:-1000], ARROW, None),
    BadTable("a stream of something else", b"\x00" * 1000, ARROW, None),
    BadTable("a stream with a null", arrow({"a": [1.0, None]}), ARROW, "/1/a"),
    BadTable("a stream with words", arrow({"a": ["u"], "b": [1.0]}), ARROW, "/0/a"),
    BadTable("a decimal that is null", arrow({"a": [Decimal("1.5"), None]}), ARROW, "/1/a"),
    BadTable("a compressed bomb", arrow({"a": np.zeros(60_000_000)}, compression="zstd"), ARROW, None, status=413),
]
"""With at most 10 million numbers, 16 MiB of file and 256 MiB of memory."""
