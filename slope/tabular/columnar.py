"""Parquet and Arrow: what they say of themselves is only believed as far as it forbids."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from slope.tabular.faults import BadTable, TableTooLarge, nested_values
from slope.tabular.plain import plain_column, plain_type
from slope.tabular.reading import Limits, Reading, fold_name
from slope.tabular.source import Field, Source, check_names, is_needed, type_of
from slope.tabular.spill import spilled
from slope.tabular.stored import rows_at_once

_FOOTER = 64 * 1024 * 1024
_READ_AT_ONCE = 128 * 1024
"""Bytes. Arrow would read all that a row group has of a column, however much that is."""
_PAGE = 1024 * 1024
"""Bytes that a page of Parquet seldom exceeds; one of every column that is read is in memory."""
_DECODER = 128 * 1024
"""Bytes that decompressing one column takes besides them."""
_DECODED = 128 * 1024 * 1024
"""This many bytes of columns are decoded side by side; a wider table is decoded some columns at a time."""


class Parquet(Source):
    """A Parquet file."""

    def __init__(self, path: Path, reading: Reading, limits: Limits) -> None:
        self._path = path
        with _translated_faults("Parquet"), self._open() as file:
            self.fields, self.notes = _fields(file.schema_arrow, reading, limits)
            self._originals = {fold_name(name): name for name in file.schema_arrow.names}
            rows = file.metadata.num_rows
        if rows * len(self.fields) > limits.numbers:
            raise TableTooLarge(f"The table has {rows * len(self.fields):,} cells; {limits.numbers:,} are allowed")

    def batches(self, numbers: Sequence[str], categories: Sequence[str]) -> Iterator[pa.RecordBatch]:
        names = [*numbers, *categories]
        with _translated_faults("Parquet"):
            groups = self._groups([self._originals[name] for name in names])
            rows = rows_at_once(len(self.fields))
            parts = [self._read(group, rows, len(groups[0])) for group in groups]
            yield from _renamed(_together(self._path, parts), names)

    def _read(self, names: Sequence[str], rows: int, width: int) -> Iterator[pa.RecordBatch]:
        with self._open(width) as file:
            for batch in file.iter_batches(rows, columns=list(names)):
                batch.validate(full=True)
                yield _plain(batch.select(names))

    def _groups(self, names: Sequence[str]) -> list[list[str]]:
        """Names of columns that are read together. A page of each is decoded, and may have a whole row group of it."""
        with self._open() as file:
            metadata = file.metadata
            group = metadata.row_group(0) if metadata.num_row_groups and len(names) * _PAGE > _DECODED else None
            columns = [group.column(index) for index in range(group.num_columns)] if group else []
        sizes = {column.path_in_schema: min(column.total_uncompressed_size, _PAGE) for column in columns}
        taken = sum(sizes[name] + _DECODER for name in names if name in sizes)
        return _shared(names, 1 + taken // _DECODED)

    def _open(self, width: int = 1) -> Any:
        limits = {"thrift_string_size_limit": _FOOTER, "thrift_container_size_limit": 1_000_000}
        buffer = max(4096, min(_READ_AT_ONCE, _DECODED // width))
        return pq.ParquetFile(str(self._path), pre_buffer=False, buffer_size=buffer, **limits)


class Arrow(Source):
    """An Arrow IPC stream, or a file of that kind."""

    def __init__(self, path: Path, reading: Reading, limits: Limits) -> None:
        self._path = path
        with _translated_faults("Arrow"), self._mapped() as file:
            self._schema = self._open(file).schema
            self.fields, self.notes = _fields(self._schema, reading, limits)
            self._originals = {fold_name(name): name for name in self._schema.names}

    def batches(self, numbers: Sequence[str], categories: Sequence[str]) -> Iterator[pa.RecordBatch]:
        names = [*numbers, *categories]
        originals = [self._originals[name] for name in names]
        with _translated_faults("Arrow"):
            longest = max((batch.num_rows for batch in self._read(originals[:1])), default=0)
            groups = _shared(originals, 1 + longest * len(names) * 8 // _DECODED)
            yield from _renamed(_together(self._path, [self._read(group) for group in groups]), names)

    def _read(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with self._mapped() as file:
            reader = self._open(file, names)
            count = reader.num_record_batches if self._is_file else 0
            for batch in (reader.get_batch(number) for number in range(count)) if self._is_file else reader:
                batch.validate(full=True)
                yield _plain(batch.select(names))

    def _mapped(self) -> Any:
        """What is not compressed needs no memory of ours."""
        return pa.memory_map(str(self._path)) if self._path.stat().st_size else pa.OSFile(str(self._path))

    def _open(self, file: Any, names: Sequence[str] = ()) -> Any:
        wanted = [self._schema.get_field_index(name) for name in names] or None
        options = pa.ipc.IpcReadOptions(included_fields=wanted)
        self._is_file = bytes(file.read(6)) == b"ARROW1"
        file.seek(0)
        return (pa.ipc.open_file if self._is_file else pa.ipc.open_stream)(file, options=options)


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.record_batch([plain_column(column) for column in batch.columns], names=batch.schema.names)


def _renamed(batches: Iterator[pa.RecordBatch], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """By the names of the fields, in which white space is folded."""
    for batch in batches:
        yield pa.record_batch(batch.columns, names=list(names))


def _shared(names: Sequence[str], count: int) -> list[list[str]]:
    """The names in `count` groups, or one in each."""
    size = -(-len(names) // count) or 1
    return [list(names[start : start + size]) for start in range(0, len(names), size)] or [[]]


def _together(path: Path, groups: Sequence[Iterator[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
    return groups[0] if len(groups) == 1 else spilled(path, groups)


def _fields(schema: pa.Schema, reading: Reading, limits: Limits) -> tuple[list[Field], list[str]]:
    """The columns that are read, and what is to be said of those that are not."""
    unnamed = {name for name in schema.names[:1] if not fold_name(name) and len(schema.names) > 1}
    check_names([fold_name(name) for name in schema.names if name not in unnamed], limits)
    index = set() if reading.index == "keep" else _index_of(schema) - set(reading.one_hot)
    if index == set(schema.names):
        index = set()
    left_out = [f'The column "{name}" is the index of a frame and was left out: index=keep takes it' for name in index]
    left_out += ["Column 0 has no name, as an index that was written along: it was left out"] * len(unnamed)
    index |= unnamed
    fields = [field for field in schema if field.name not in index]
    for field in fields:
        if pa.types.is_nested(plain_type(field.type)) and is_needed(fold_name(field.name), reading):
            raise nested_values(fold_name(field.name))
    return [Field(fold_name(field.name), type_of(field.type)) for field in fields], sorted(left_out)


def _index_of(schema: pa.Schema) -> set[str]:
    """The columns that pandas says it had as the index of a frame; an index that is a range has none."""
    try:
        named = list((schema.pandas_metadata or {}).get("index_columns", []))
    except (ValueError, AttributeError, TypeError):  # whoever wrote it was not pandas
        return set()
    return {name for name in named if isinstance(name, str) and name in schema.names}


@contextmanager
def _translated_faults(format: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowMemoryError, MemoryError) as error:
        raise TableTooLarge(f"The {format} file needs more memory than a part of it may") from error
    except (pa.ArrowException, OSError, ValueError, EOFError) as error:
        if "encrypt" in str(error) or "decrypt" in str(error):
            raise BadTable(f"The {format} file is encrypted: send it decrypted") from error
        raise BadTable(f"The file cannot be read as {format}: it is damaged, cut short, or of another kind") from error
