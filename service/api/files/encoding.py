"""Columns as files of other tools, written while they are read: CSV, Arrow streams and Parquet."""

import io
from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

TableFormat = Literal["csv", "arrow", "parquet"]


class _Writer(Protocol):
    def write_batch(self, batch: pa.RecordBatch) -> None: ...
    def close(self) -> None: ...


def encode_batches(
    format: TableFormat,
    schema: pa.Schema,
    batches: Iterator[pa.RecordBatch],
    metadata: Callable[[], dict[str, str]] = dict,
) -> Iterator[bytes]:
    """The bytes of a file that holds the batches. Numbers come back from each of the formats to the bit.

    `metadata` says what the batches came to. Only Parquet has room for it, after the rows.
    """
    outbox = _Outbox()
    written = _as_text(schema) if format == "csv" else schema
    writer: _Writer = _WRITERS[format](outbox, written)
    yield outbox.take()
    for batch in batches:
        writer.write_batch(pa.RecordBatch.from_arrays(_texts(batch), schema=written) if format == "csv" else batch)
        yield outbox.take()
    if isinstance(writer, pa.parquet.ParquetWriter):
        writer.add_key_value_metadata(metadata())
    writer.close()
    yield outbox.take()


class _Outbox(io.RawIOBase):
    """A file that forgets what has been taken."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, data: Any) -> int:
        self._waiting.append(bytes(data))
        self._position += len(self._waiting[-1])
        return len(self._waiting[-1])

    def take(self) -> bytes:
        taken, self._waiting = b"".join(self._waiting), []
        return taken


def _csv(sink: _Outbox, schema: pa.Schema) -> _Writer:
    options = pa.csv.WriteOptions(quoting_style="needed", quoting_header="needed")
    writer: _Writer = pa.csv.CSVWriter(sink, schema, write_options=options)
    return writer


_WRITERS: dict[TableFormat, Any] = {
    "csv": _csv,
    "arrow": pa.ipc.new_stream,
    "parquet": pa.parquet.ParquetWriter,
}


def _as_text(schema: pa.Schema) -> pa.Schema:
    """CSV has no lists: their numbers are written into one cell, with spaces between them."""
    return pa.schema([(field.name, pa.string() if _is_list(field.type) else field.type) for field in schema])


def _texts(batch: pa.RecordBatch) -> list[pa.Array]:
    return [_joined(column) if _is_list(column.type) else column for column in batch.columns]


def _joined(column: pa.Array) -> pa.Array:
    return pa.compute.binary_join(column.cast(pa.list_(pa.string())), " ")


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind))
