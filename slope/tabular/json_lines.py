"""NDJSON: an object a line. Arrow parses it; when it cannot, we look for the line ourselves."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.json as arrow_json

from slope.tabular.faults import BadTable, TableTooLarge
from slope.tabular.reading import Limits, Reading
from slope.tabular.source import Field, FieldsChanged, FieldType, Source, check_names, type_of
from slope.tabular.text import begin_of, open_text


class JsonLines(Source):
    """The first block settles which fields there are and of what kind."""

    def __init__(self, path: Path, _reading: Reading, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self.fields: list[Field] = []
        try:
            with self._open(None) as reader:
                schema = reader.schema
        except pa.ArrowInvalid:
            raise self._fault() from None
        nested = next((field.name for field in schema if pa.types.is_nested(field.type)), None)
        if nested is not None:
            raise BadTable("The column has values within values", column=nested)
        check_names(schema.names, limits)
        self.fields = [Field(field.name, type_of(field.type)) for field in schema]
        self._open_types = {field.name for field in schema if pa.types.is_null(field.type)}

    def batches(self, numbers: Sequence[str], categories: Sequence[str]) -> Iterator[pa.RecordBatch]:
        try:
            with self._open(self._schema(categories)) as reader:
                for batch in reader:
                    yield batch.select([*numbers, *categories])
        except pa.ArrowInvalid:
            raise self._fault() from None

    def integers(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        types = {field.name: _TYPES[field.type] for field in self.fields} | {name: pa.int64() for name in names}
        with suppress(pa.ArrowInvalid), self._open(pa.schema(types)) as reader:
            yield from reader

    def _schema(self, categories: Sequence[str]) -> pa.Schema:
        """Whole numbers are doubles, but categories are exact where all of them are whole."""
        types = {field.name: _TYPES[field.type] for field in self.fields}
        exact = {
            field.name: pa.int64() for field in self.fields if field.type == "integer" and field.name in categories
        }
        if not exact:
            return pa.schema(types)
        try:
            with self._open(pa.schema(types | exact)) as reader:
                for _ in reader:
                    pass
        except pa.ArrowInvalid:
            return pa.schema(types)
        return pa.schema(types | exact)

    def _open(self, schema: pa.Schema | None) -> Any:
        file = pa.OSFile(str(self._path))
        file.seek(begin_of(self._path))
        return arrow_json.open_json(
            file,
            read_options=arrow_json.ReadOptions(block_size=self._limits.row_bytes),
            parse_options=arrow_json.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="error" if schema else "infer"
            ),
        )

    def _fault(self) -> BadTable | FieldsChanged:
        """What is wrong with the first line that is not as those before it.

        Nothing is where later lines have more fields, or tell the type of one that had nothing before.
        """
        before = {field.name: field.type for field in self.fields if field.name not in self._open_types}
        kinds: dict[str, FieldType] = dict(before)
        row = 0
        with open_text(self._path) as file:
            while line := file.readline(self._limits.row_bytes):
                if len(line) == self._limits.row_bytes:
                    return TableTooLarge("The line is too long", row=row)
                if line.strip():
                    if found := _fault_of(line, kinds, row):
                        return found
                    if len(kinds) > self._limits.columns:
                        return TableTooLarge(f"The table has more than {self._limits.columns:,} columns", row=row)
                    row += 1
        if self.fields and kinds != before:
            self._know(kinds)
            return FieldsChanged()
        return BadTable("The file cannot be read as NDJSON" if row else "The table has no rows")

    def _know(self, kinds: "dict[str, FieldType]") -> None:
        """Fields of the first block in their order, and those that begin later behind them."""
        known = {field.name: field.type for field in self.fields} | kinds
        check_names(list(known), self._limits)
        self.fields = [Field(name, kind) for name, kind in known.items()]
        self._open_types = set()


_TYPES = {"number": pa.float64(), "integer": pa.float64(), "boolean": pa.bool_(), "text": pa.string()}


def _fault_of(line: bytes, kinds: dict[str, FieldType], row: int) -> BadTable | None:
    """What is wrong with one line, given what the fields of earlier ones were; adds those it has to them."""
    try:
        pairs = json.loads(line, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return BadTable("The line is not JSON", row=row)
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        return BadTable("The line is not an object", row=row)
    seen = set()
    for name, value in pairs:
        kind = _kind_of(value)
        if name in seen:
            return BadTable("The line has this name twice", row=row, column=name)
        if kind is None:
            return BadTable("The value is neither a number nor a word", row=row, column=name)
        if kind != "null" and kinds.setdefault(name, kind).replace("integer", "number") != kind:
            return BadTable(f"The value is not a {kinds[name]} as in earlier rows", row=row, column=name)
        seen.add(name)
    return None


def _kind_of(value: Any) -> Literal["null", "boolean", "number", "text"] | None:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else None
