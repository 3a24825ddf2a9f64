"""NDJSON: an object a line. Arrow parses it; when it cannot, we look for the line ourselves."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.json as arrow_json

from slope.tabular.faults import BadTable, TableTooLarge, nested_values
from slope.tabular.hints import SIGNS
from slope.tabular.reading import Limits, Reading, fold_name
from slope.tabular.source import Field, FieldsChanged, FieldType, Source, check_names, is_needed, other_type, type_of
from slope.tabular.text import begin_of, open_text

_LONG = re.compile(rb":\s*-?\d{16,}\s*[,}]")
"""A whole number that may be no double."""


class JsonLines(Source):
    """The first block settles which fields there are and of what kind, but where some have values within values."""

    hints = (SIGNS,)

    def __init__(self, path: Path, reading: Reading, limits: Limits) -> None:
        self._path = path
        self._reading = reading
        self._limits = limits
        self.fields: list[Field] = []
        self._originals: dict[str, str] = {}
        self._nested: set[str] = set()
        try:
            with self._open(None) as reader:
                schema = reader.schema
        except pa.ArrowInvalid:
            self._look_through()
            return
        self._know({field.name: type_of(field.type) for field in schema})
        self._open_types = {field.name for field in schema if pa.types.is_null(field.type)}
        for name in (field.name for field in schema if pa.types.is_nested(field.type)):
            if is_needed(fold_name(name), self._reading):
                raise nested_values(fold_name(name))
            self._nested.add(name)
        if self._nested:
            self._look_through()

    def batches(self, numbers: Sequence[str], categories: Sequence[str]) -> Iterator[pa.RecordBatch]:
        try:
            with self._open(self._schema(categories)) as reader:
                names = [*numbers, *(name for name in categories if self._originals[name] not in self._nested)]
                for batch in reader:
                    columns = [batch.column(self._originals[name]) for name in names]
                    yield pa.record_batch(columns, names=names)
        except pa.ArrowInvalid:
            raise self._fault() from None

    def whole_numbers(self, names: Sequence[str]) -> Iterator[tuple[int, str, int]]:
        row, wanted = 0, set(names)
        with open_text(self._path) as file:
            while line := file.readline(self._limits.row_bytes):
                for name, value in json.loads(line).items() if _LONG.search(line) else ():
                    if type(value) is int and fold_name(name) in wanted:
                        yield row, fold_name(name), value
                row += bool(line.strip())

    def _schema(self, categories: Sequence[str]) -> pa.Schema:
        """Whole numbers are doubles, but categories are exact where all of them are whole."""
        types = self._types()
        whole = {field.name for field in self.fields if field.type == "integer"}
        exact = {self._originals[name]: pa.int64() for name in categories if name in whole}
        if not exact:
            return pa.schema(types)
        try:
            with self._open(pa.schema(types | exact)) as reader:
                for _ in reader:
                    pass
        except pa.ArrowInvalid:
            return pa.schema(types)
        return pa.schema(types | exact)

    def _types(self) -> dict[str, pa.DataType]:
        """By the names that the file has; without the columns that have values within values."""
        types = {self._originals[field.name]: _TYPES[field.type] for field in self.fields}
        return {name: kind for name, kind in types.items() if name not in self._nested}

    def _open(self, schema: pa.Schema | None) -> Any:
        file = pa.OSFile(str(self._path))
        file.seek(begin_of(self._path))
        return arrow_json.open_json(
            file,
            read_options=arrow_json.ReadOptions(block_size=self._limits.row_bytes),
            parse_options=arrow_json.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior=self._unexpected(schema)
            ),
        )

    def _unexpected(self, schema: pa.Schema | None) -> str:
        """Fields that are not named: of nested ones it is known that there are no others."""
        if schema is None:
            return "infer"
        return "ignore" if self._nested else "error"

    def _look_through(self) -> None:
        """Learn of all fields, and which have values within values: Arrow takes none that come otherwise later."""
        found = self._fault()
        if not self._nested or (isinstance(found, BadTable) and found.row is not None):
            raise found

    def _fault(self) -> BadTable | FieldsChanged:
        """What is wrong with the first line that is not as those before it.

        Nothing is where later lines have more fields, or tell the type of one that had nothing before.
        """
        before = {self._originals[field.name]: field.type for field in self.fields}
        before = {name: kind for name, kind in before.items() if name not in self._open_types}
        kinds: dict[str, FieldType] = dict(before)
        row = 0
        with open_text(self._path) as file:
            while line := file.readline(self._limits.row_bytes):
                if len(line) == self._limits.row_bytes:
                    return TableTooLarge("The line is too long", row=row)
                if line.strip():
                    if found := self._fault_of(line, kinds, row):
                        return found
                    if len(kinds) > self._limits.columns:
                        return TableTooLarge(f"The table has more than {self._limits.columns:,} columns", row=row)
                    row += 1
        if (self.fields or self._nested) and kinds != before:
            self._know(kinds)
            return FieldsChanged()
        return BadTable("The file cannot be read as NDJSON" if row else "The table has no rows")

    def _know(self, kinds: "dict[str, FieldType]") -> None:
        """Fields of the first block in their order, and those that begin later behind them."""
        known = {self._originals[field.name]: field.type for field in self.fields} | kinds
        check_names([fold_name(name) for name in known], self._limits)
        self._originals = {fold_name(name): name for name in known}
        self.fields = [Field(fold_name(name), kind) for name, kind in known.items()]
        self._open_types = set()

    def _fault_of(self, line: bytes, kinds: dict[str, FieldType], row: int) -> BadTable | None:
        """What is wrong with one line, given what the fields of earlier ones were; adds those it has to them."""
        try:
            pairs = json.loads(line, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError):
            return BadTable("The line is not JSON", row=row)
        if not isinstance(pairs, _Pairs):
            return BadTable("The line is not an object", row=row)
        seen = set()
        for name, value in pairs:
            kind = _kind_of(value)
            if name in seen:
                return BadTable("The line has this name twice", row=row, column=name)
            if kind is None and is_needed(fold_name(name), self._reading):
                return nested_values(fold_name(name), row)
            if kind is None:
                self._nested.add(name)
                kinds[name] = "text"
            elif kind != "null" and (kinds.setdefault(name, kind), kind) not in _ALIKE:
                return other_type(kinds[name], row, name)
            elif kind == "number":
                kinds[name] = "number"
            seen.add(name)
        return None


class _Pairs(list[tuple[str, Any]]):
    """An object, with names that may be there twice."""


_ALIKE = {("integer", "number"), ("number", "integer"), *((kind, kind) for kind in get_args(FieldType))}
"""The kind of a field, and that of a value it may have."""
_TYPES: dict[FieldType, pa.DataType] = {
    "number": pa.float64(),
    "integer": pa.float64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
}


def _kind_of(value: Any) -> Literal["null", "boolean", "integer", "number", "text"] | None:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "integer" if isinstance(value, int) else "number"
    return "text" if isinstance(value, str) else None
