"""CSV: Arrow parses it; the first block settles what a cell may be, and all that follow are checked against it."""

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from slope.spec.names import counted
from slope.tabular.beginning import LEFT_OUT, notes_of, read_beginning
from slope.tabular.cells import name_of
from slope.tabular.faults import BadTable, TableTooLarge, WordFound
from slope.tabular.header import NOTHING
from slope.tabular.hints import HINTS
from slope.tabular.reading import Limits, Reading
from slope.tabular.source import Field, FieldsChanged, Source, check_names, type_of
from slope.tabular.stored import is_wide
from slope.tabular.threads import read_ahead

_SPAN = 4 * 1024 * 1024
"""Bytes that a reader takes at a time, and has in memory with what they become."""
_DIGITS = 30
_BESIDE = ((" ", ""), ("", " "), (" ", " "))
_BLANKS = [" " * count for count in range(3, 20)]
_LONG = r"^\s*[+-]?\d{16,}\s*$"
"""A whole number that may be no double."""
_NUMBER = re.compile(r"-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|-?inf")
"""What begins with 0 is a code, as a postal code is, and stays as it is written."""


_NO_NUMBER = (
    "The cell is not a number: {}name a word that stands for nothing by missing=, make columns of a column's words by"
    " one_hot=, or leave columns of words out by text=drop"
)


class CommaSeparated(Source):
    """A CSV file in UTF-8, its columns separated by any one character."""

    hints = HINTS

    def __init__(self, path: Path, reading: Reading, limits: Limits) -> None:
        self._path = path
        self._reading = reading
        self._limits = limits
        self.empty_words = [*sorted(word for word in NOTHING if word.isalpha()), *reading.missing]
        found = read_beginning(path, reading, limits)
        is_header = found.has_header(reading)
        self._names = found.names(reading, is_header=is_header)
        self._skipped = found.lines if is_header else 0
        named = [name for name in self._names if not name.startswith(LEFT_OUT)]
        check_names(named, limits)
        self.notes = notes_of(self._names)
        with self._translated_faults(), self._open({}, use_threads=False) as reader:
            self.fields = [Field(field.name, type_of(field.type)) for field in reader.schema if field.name in named]
            empty = {field.name for field in reader.schema if pa.types.is_null(field.type)} & {*named}
            unnamed = reader.schema.field(self._names[-1])
        if unnamed.name.startswith(LEFT_OUT) and unnamed.type != pa.null():
            raise BadTable(f"Column {len(self._names) - 1} has no name")
        if empty and reading.text == "drop" and path.stat().st_size > limits.row_bytes:
            self._find_words(empty)  # before the first empty cell is told

    def batches(self, numbers: Sequence[str], categories: Sequence[str]) -> Iterator[pa.RecordBatch]:
        types = {name: pa.float64() for name in numbers} | {name: pa.string() for name in categories}
        booleans = {field.name for field in self.fields if field.type == "boolean"}
        types |= {name: pa.bool_() for name in numbers if name in booleans}
        at_right = takewhile(lambda name: name.startswith(LEFT_OUT), reversed(self._names))
        types |= dict.fromkeys(at_right, pa.null())  # and they are empty to the end
        try:
            yield from self._in_spans(types)
        except pa.ArrowInvalid:
            if self._find_words({field.name for field in self.fields}) and self._reading.text == "drop":
                raise FieldsChanged from None
            with self._translated_faults(), self._open(types, use_threads=False) as reader:  # alone it counts the rows
                for _ in reader:
                    pass
            raise

    def _find_words(self, among: Collection[str]) -> bool:
        """Look through the whole table for words in columns that have none in the first block: they are of text."""
        kinds = {"number": pa.float64(), "integer": pa.float64(), "boolean": pa.bool_()}
        left = {field.name: kinds[field.type] for field in self.fields if field.type != "text" and field.name in among}
        words: set[str] = set()
        with suppress(pa.ArrowInvalid), self._open(dict.fromkeys(left, pa.string()), use_threads=False) as reader:
            for batch in reader:
                words |= {name for name in left.keys() - words if not self._is_all(batch.column(name), left[name])}
        self.fields = [Field(each.name, "text" if each.name in words else each.type) for each in self.fields]
        return bool(words)

    def _is_all(self, column: pa.Array, kind: pa.DataType) -> bool:
        plain = pc.replace_substring(pc.utf8_trim_whitespace(column), self._reading.decimal, ".")
        try:
            pc.cast(plain, kind)
        except pa.ArrowInvalid:
            return False
        return True

    def place_of_word(self, column: pa.Array) -> int | None:
        """Of a column of text some cells may be numbers, as they stand in the file."""
        place = bisect_left(
            range(len(column)), True, key=lambda last: not self._is_all(column.slice(0, last + 1), pa.float64())
        )
        return place if place < len(column) else None

    def whole_numbers(self, names: Sequence[str]) -> Iterator[tuple[int, str, int]]:
        row = 0
        with suppress(pa.ArrowInvalid), self._open(dict.fromkeys(names, pa.string()), use_threads=False) as reader:
            for batch in reader:
                for name in names:
                    column = batch.column(name)
                    for index in pc.indices_nonzero(pc.match_substring_regex(column, _LONG)).to_pylist():
                        yield row + index, name, int(column[index].as_py())
                row += batch.num_rows

    def spellings(self, words: set[str]) -> dict[str, str]:
        """A file of text has no types: a column is of numbers, or of truths, when all of its words are."""
        plain = {word: word.replace(self._reading.decimal, ".") for word in words}
        if all(_NUMBER.fullmatch(each) for each in plain.values()):
            return {word: _number_name(each) for word, each in plain.items()}
        if {word.lower() for word in words} <= {"true", "false"}:
            return {word: word.lower() for word in words}
        return super().spellings(words)

    def _in_spans(self, types: dict[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """A reader takes one core, so several readers share the file, each taking whole lines of it."""
        start, spans = 0, _spans(self._path, self._limits.row_bytes)
        readers = 1 if is_wide(self._names) else 2
        for span, whole in read_ahead(partial(self._read_span, types), spans, readers):
            try:
                table = whole.result()
            except pa.ArrowInvalid:
                break
            if table is None:
                break
            yield from (table.combine_chunks() if is_wide(self._names) else table).to_batches()
            start = span.stop
        if start < self._path.stat().st_size:  # what is wrong in the rest is reported when it is reached
            yield from self._in_blocks(types, start)

    def _read_span(self, types: dict[str, pa.DataType], span: slice) -> pa.Table | None:
        """The table of some lines; None where the last row may go on behind them, as words in quotes may.

        On one core: with threads Arrow loses rows, and says nothing, where a quote is never closed.
        """
        with self._path.open("rb") as file:
            file.seek(span.start)
            lines = file.read(span.stop - span.start)
        are_numbers = types.keys() == set(self._names) and pa.string() not in types.values()
        if b'"' in lines and not are_numbers:  # a number that goes on in the next line is wrong in any case
            return None
        return arrow_csv.read_csv(pa.BufferReader(lines), **self._options(types, span.start, use_threads=False))

    def _in_blocks(self, types: dict[str, pa.DataType], start: int = 0) -> Iterator[pa.RecordBatch]:
        with self._open(types, start) as reader:
            yield from reader

    def _open(self, types: dict[str, pa.DataType], start: int = 0, *, use_threads: bool = True) -> Any:
        """A reader of the columns of these types; of all, with types of its own finding, where none are given."""
        file = pa.OSFile(str(self._path))
        file.seek(start)
        options = self._options(types, start, use_threads=use_threads)
        options["parse_options"].newlines_in_values = True  # a block ends where a row does
        return arrow_csv.open_csv(file, **options)

    def _options(self, types: dict[str, pa.DataType], start: int, *, use_threads: bool = True) -> dict[str, Any]:
        read = arrow_csv.ReadOptions(
            use_threads=use_threads,
            block_size=self._limits.row_bytes,
            autogenerate_column_names=False,
            column_names=self._names,
            skip_rows=0 if start else self._skipped,
        )
        convert = arrow_csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            decimal_point=self._reading.decimal,
            strings_can_be_null=True,
            null_values=_nothing(self._reading, self._names),
        )
        parse = arrow_csv.ParseOptions(delimiter=self._reading.delimiter)
        return {"read_options": read, "parse_options": parse, "convert_options": convert}

    def _translated_faults(self) -> "_TranslatedFaults":
        return _TranslatedFaults(self._names, 1 + self._skipped)


def _nothing(reading: Reading, names: Sequence[str]) -> list[str]:
    """Words for nothing, with a space beside them too: Arrow compares them before it leaves spaces out.

    Not in a wide table: each column has a search tree of its own for them, of 100 kB.
    """
    words = [*NOTHING, *reading.missing]
    if is_wide(names):
        return words
    return [*words, *(f"{before}{word}{behind}" for word in words for before, behind in _BESIDE), *_BLANKS]


def _number_name(word: str) -> str:
    is_whole = word.removeprefix("-").isdecimal()
    return name_of(int(word) if is_whole and len(word) < _DIGITS else float(word)) or word


class _TranslatedFaults:
    """Turns what Arrow says into what we say, without the value: it would be a part of somebody's data."""

    def __init__(self, names: Sequence[str], first_row: int) -> None:
        self._names = names
        self._first_row = first_row

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, pa.ArrowInvalid | pa.ArrowKeyError):
            raise self._fault(str(error)) from None

    def _fault(self, said: str) -> BadTable:
        found = re.search(r"Row #(\d+)", said)
        row = int(found[1]) - self._first_row if found else None
        if found := re.match(r"In CSV column #(\d+)", said):
            column = self._names[int(found[1])]
            if column.startswith(LEFT_OUT):
                return BadTable(f"Column {found[1]} has no name", row=row)
            if "invalid UTF8" in said:
                return BadTable("The cell is not UTF-8", row=row, column=column)
            hint = next((f"{what}, or " for like, what in HINTS if re.search(f"invalid value '{like}'", said)), "")
            return WordFound(_NO_NUMBER.format(hint), row=row, column=column)
        if found := re.search(r"Expected (\d+) columns, got (\d+)", said):
            columns, cells = map(int, found.groups())
            return BadTable(f"The row has {counted(cells, 'cell')}, the table {counted(columns, 'column')}", row=row)
        if "straddling" in said or "out of sync" in said:
            return TableTooLarge("A row is too long, or a quote is never closed", row=row)
        return BadTable("The table has no rows" if "mpty CSV" in said else "The file cannot be read as CSV", row=row)


def _spans(path: Path, row_bytes: int) -> Iterator[slice]:
    """Whole lines, one span after the other; up to the end of the file, or to a row that is too long."""
    start, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while size - start > _SPAN:
            begin = start + max(_SPAN - row_bytes, 0)
            file.seek(begin)
            whole = file.read(row_bytes).rfind(b"\n") + 1
            if not whole:
                return
            yield slice(start, begin + whole)
            start = begin + whole
    yield slice(start, size)
