"""Parquet and Arrow: what they say of themselves is only believed as far as it forbids."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from slope.tabular.faults import BadTable, TableTooLarge
from slope.tabular.reading import Limits, Reading
from slope.tabular.source import Field, check_names, type_of
from slope.tabular.stored import rows_at_once

_FOOTER = 64 * 1024 * 1024
_READ_AT_ONCE = 128 * 1024
"""Bytes. Arrow would read all that a row group has of a column, however much that is."""


class Parquet:
    """A Parquet file."""

    def __init__(self, path: Path, _reading: Reading, limits: Limits) -> None:
        self._path = path
        with _telling_faults("Parquet"), self._open() as file:
            self.fields = _fields(file.schema_arrow, limits)
            rows = file.metadata.num_rows
        if rows * len(self.fields) > limits.numbers:
            raise TableTooLarge(f"The table has {rows * len(self.fields):,} cells; {limits.numbers:,} are allowed")

    def batches(self, numbers: Sequence[str], categories: Sequence[str]) -> Iterator[pa.RecordBatch]:
        names = [*numbers, *categories]
        with _telling_faults("Parquet"), self._open() as file:
            for batch in file.iter_batches(rows_at_once(len(self.fields)), columns=names):
                batch.validate(full=True)
                yield batch.select(names)

    def _open(self) -> Any:
        limits = {"thrift_string_size_limit": _FOOTER, "thrift_container_size_limit": 1_000_000}
        return pq.ParquetFile(str(self._path), pre_buffer=False, buffer_size=_READ_AT_ONCE, **limits)


class Arrow:
    """An Arrow IPC stream, or a file of that kind."""

    def __init__(self, path: Path, _reading: Reading, limits: Limits) -> None:
        self._path = path
        with _telling_faults("Arrow"), pa.OSFile(str(path)) as file:
            self.fields = _fields(self._open(file).schema, limits)

    def batches(self, numbers: Sequence[str], categories: Sequence[str]) -> Iterator[pa.RecordBatch]:
        names = [*numbers, *categories]
        with _telling_faults("Arrow"), pa.OSFile(str(self._path)) as file:
            yield from (batch.select(names) for batch in self._checked(file))

    def _checked(self, file: Any) -> Iterator[pa.RecordBatch]:
        reader = self._open(file)
        whole = (reader.get_batch(number) for number in range(reader.num_record_batches)) if self._is_file else reader
        for batch in whole:
            batch.validate(full=True)
            yield batch

    def _open(self, file: Any) -> Any:
        self._is_file = bytes(file.read(6)) == b"ARROW1"
        file.seek(0)
        return pa.ipc.open_file(file) if self._is_file else pa.ipc.open_stream(file)


def _fields(schema: pa.Schema, limits: Limits) -> list[Field]:
    check_names(schema.names, limits)
    for field in schema:
        if pa.types.is_nested(field.type):
            raise BadTable("The column has values within values", column=field.name)
    return [Field(field.name, type_of(field.type)) for field in schema]


@contextmanager
def _telling_faults(format: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowMemoryError, MemoryError) as error:
        raise TableTooLarge(f"The {format} file needs more memory than a part of it may") from error
    except (pa.ArrowException, OSError, ValueError, EOFError) as error:
        raise BadTable(f"The file cannot be read as {format}: it is damaged, cut short, or of another kind") from error
