"""One JSON document: a list of objects, or an object of columns. Columns may have rows of numbers, as a job's x has."""

import math
from array import array
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import ijson
import pyarrow as pa

from slope.spec.names import counted
from slope.tabular.cells import INEXACT, name_of
from slope.tabular.faults import BadTable, TableTooLarge, nested_values, not_json
from slope.tabular.hints import SIGNS
from slope.tabular.reading import Limits, Reading, fold_name
from slope.tabular.source import Field, FieldType, Source, check_names, is_needed, other_type
from slope.tabular.stored import doubles
from slope.tabular.text import open_text

Events = Iterator[tuple[str, Any]]

_NAN = float("nan")
_TOO_LONG = "integer overflow"
"""What the reader says that makes doubles."""


class JsonDocument(Source):
    """Read as a whole, number by number: a column takes 8 bytes a number, whatever its text is like."""

    hints = (SIGNS,)

    def __init__(self, path: Path, reading: Reading, limits: Limits) -> None:
        if path.stat().st_size > limits.document_bytes:
            detail = f"A JSON document may have {limits.document_bytes:,} bytes: send NDJSON, CSV, Parquet or Arrow"
            raise TableTooLarge(detail)
        self._columns: dict[str, _Column] = {}
        self._limits = limits
        self._reading = reading
        try:
            self._read_from(path, use_float=True)
        except (ijson.JSONError, ValueError, OverflowError) as error:
            raise not_json(path.read_bytes()) from error
        check_names(list(self._columns), limits)
        self.fields = [Field(name, column.type) for name, column in self._columns.items()]

    def batches(self, numbers: Sequence[str], categories: Sequence[str]) -> Iterator[pa.RecordBatch]:
        columns = {name: self._columns[name].as_read() for name in numbers}
        columns |= {name: self._columns[name].as_words() for name in categories}
        yield pa.record_batch(columns)

    def _read_from(self, path: Path, *, use_float: bool) -> None:
        """Numbers as doubles, or, where a whole one has more than 64 bits, all of them digit by digit."""
        try:
            with open_text(path) as file:
                self._read(ijson.basic_parse(file, use_float=use_float))
        except ijson.JSONError as error:
            if not use_float or _TOO_LONG not in str(error):
                raise
            self._columns.clear()
            self._read_from(path, use_float=False)

    def _read(self, events: Events) -> None:
        begin, _ = next(events, ("nothing", None))
        if begin == "start_array":
            self._read_rows(events)
        elif begin == "start_map":
            self._read_columns(events)
        else:
            raise BadTable("The document is neither a list of rows nor an object of columns")
        for _ in events:  # and nothing may follow
            pass

    def _read_rows(self, events: Events) -> None:
        row = 0
        for event, _ in events:
            if event == "end_array":
                break
            if event != "start_map":
                raise BadTable("The row is not an object", row=row)
            self._read_row(events, row)
            row += 1
        for column in self._columns.values():
            column.fill(row)

    def _read_row(self, events: Events, row: int) -> None:
        for event, name in events:
            if event == "end_map":
                return
            column = self._column(name)
            if len(column) > row:
                raise BadTable("The row has this name twice", row=row, column=name)
            column.fill(row)
            event, value = next(events)
            if event in _NESTED:
                self._leave_out(column, event, events)
            else:
                column.add(event, value)

    def _leave_out(self, column: "_Column", event: str, events: Events) -> None:
        """Read over a value that has values within, in a column that is left out."""
        if is_needed(column.name, self._reading):
            raise nested_values(column.name, len(column))
        depth = 1
        while depth:
            event, _ = next(events)
            depth += (event in _NESTED) - (event in ("end_map", "end_array"))
        column.add_nested()

    def _read_columns(self, events: Events) -> None:
        for event, name in events:
            if event == "end_map":
                break
            if fold_name(name) in self._columns:
                raise BadTable("The document has this name twice", column=name)
            if next(events)[0] != "start_array":
                raise BadTable(f"The column is not a list: {_AS_FROM_PANDAS}", column=name)
            self._read_column(name, events)
        rows = len(next(iter(self._columns.values()), ()))
        for name, column in self._columns.items():
            if len(column) != rows:
                raise BadTable(f"The column has {counted(len(column), 'value')}, the first has {rows}", column=name)

    def _read_column(self, name: str, events: Events) -> None:
        """A list of values, or a list of rows of them, which become columns of their own."""
        width, row = None, 0
        for event, value in events:
            if event == "end_array":
                break
            if event == "start_array":
                width = self._read_nested_row(name, events, row, width)
            else:
                self._column(name).add(event, value)
            row += 1
        if row == 0:
            self._column(name)

    def _read_nested_row(self, name: str, events: Events, row: int, width: int | None) -> int:
        values = []
        for event, value in events:
            if event == "end_array":
                break
            if event not in _TYPES:
                raise BadTable("The value is neither a number nor a word", row=row, column=name)
            values.append((event, value))
            if len(values) > self._limits.columns:
                raise TableTooLarge(f"The row has more than {self._limits.columns:,} values", row=row, column=name)
        if len(values) != width is not None:
            raise BadTable(f"The row has {counted(len(values), 'value')}, the first has {width}", row=row, column=name)
        names = [name] if len(values) == 1 else [f"{name}{number}" for number in range(len(values))]
        for each, (event, value) in zip(names, values, strict=True):
            self._column(each).add(event, value)
        return len(values)

    def _column(self, name: str) -> "_Column":
        name = fold_name(name)
        if name not in self._columns:
            if len(self._columns) >= self._limits.columns:
                raise TableTooLarge(f"The table has more than the {self._limits.columns:,} columns that are allowed")
            self._columns[name] = _Column(name, self._limits, is_category=name in self._reading.one_hot)
        return self._columns[name]


class _Column:
    """Numbers with NaN where there is nothing; of words and categories only which of a few it is."""

    def __init__(self, name: str, limits: Limits, *, is_category: bool) -> None:
        self.name = name
        self._limits = limits
        self._is_category = is_category
        self._numbers = array("d")
        self._words: dict[str, int] = {}
        self._event: str | None = None  # what its values are
        self._are_whole = True

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def type(self) -> FieldType:
        if self._event == "number" and self._are_whole:
            return "integer"
        return _TYPES[self._event]

    def fill(self, rows: int) -> None:
        """Put nothing in the rows that did not name the column."""
        self._numbers.extend([_NAN] * (rows - len(self)))

    def add(self, event: str, value: Any) -> None:
        if event not in _TYPES:
            raise BadTable("The value is neither a number nor a word", row=len(self), column=self.name)
        if event != "null":
            self._event = self._event or event
            if self._event != event:
                raise other_type(_TYPES[self._event], len(self), self.name)
        if isinstance(value, Decimal):
            value = _double(value)
        self._are_whole = self._are_whole and not isinstance(value, float)
        self._numbers.append(self._number(event, value))

    def add_nested(self) -> None:
        """A value that is not kept: the column is of something else than numbers, and left out."""
        self._event = "string"
        self._numbers.append(_NAN)

    def as_read(self) -> pa.Array:
        return self.as_words() if self.type == "text" else doubles(self._numbers)

    def as_words(self) -> pa.Array:
        words = list(self._words)
        return pa.array([None if code != code else words[int(code)] for code in self._numbers], pa.string())

    def _number(self, event: str, value: Any) -> float:
        if value is None:
            return _NAN
        if event == "string":
            return self._code(value)
        if self._is_category:
            return self._code(name_of(value) or "")
        if isinstance(value, int) and float(value) != value:
            raise BadTable(INEXACT, row=len(self), column=self.name)
        return float(value)

    def _code(self, word: str) -> int:
        """Of more words than there may be only as many are kept as tell that they are too many."""
        if len(self._words) > self._limits.categories:
            return 0
        return self._words.setdefault(word, len(self._words))


def _double(number: Decimal) -> float:
    """The nearest; OverflowError where there is none, as the faster reader has it."""
    value = float(number)
    if math.isinf(value):
        raise OverflowError
    return value


_AS_FROM_PANDAS = "send columns as lists, as pandas' to_dict('list') has them, or rows, as its to_dict('records')"
_NESTED = ("start_map", "start_array")
_TYPES: dict[str | None, FieldType] = {"number": "number", "boolean": "boolean", "string": "text", "null": "number"}
_TYPES[None] = "number"
