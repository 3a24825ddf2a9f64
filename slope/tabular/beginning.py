"""How a CSV file begins: its first rows, what they call the columns, and whether they have another delimiter."""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from slope.tabular.faults import BadOption, BadTable, TableTooLarge
from slope.tabular.header import has_header
from slope.tabular.reading import Limits, Reading, fold_name

LEFT_OUT = "\0"
"""Begins what columns are called that are not read: no name can have it."""
_COMPARED = 100
"""Rows that the first is compared with: whether it is a header."""


@dataclass(frozen=True)
class Beginning:
    """The cells of the first row, how many lines it and those before it take, and some rows below."""

    first: list[str]
    lines: int
    below: list[list[str]]

    def has_header(self, reading: Reading) -> bool:
        return has_header([self.first, *self.below], reading) if reading.header is None else reading.header

    def names(self, reading: Reading, *, is_header: bool) -> list[str]:
        """What is left out: empty columns at the right, and under a header an index without a name."""
        cells = [fold_name(cell) for cell in self.first]
        names = cells if is_header else [f"c{column}" for column in range(len(cells))]
        for column in reversed(range(len(cells))):
            if cells[column] or any(row[column].strip() for row in self.below if column < len(row)):
                break
            names[column] = f"{LEFT_OUT}{column}"
        first_named = next((column for column, name in enumerate(names) if name), 0)
        for column in range(first_named):  # an index, which may have several levels
            names[column] = f"index{column or ''}" if reading.index == "keep" else f"{LEFT_OUT}{column}"
        return names

    def aligned(self) -> "Beginning":
        """A cell for each column in the first row: R names no column of row names, others end some lines by a sign."""
        widths = {len(row) for row in self.below}
        if len(self.first) > 1 and widths == {len(self.first) + 1}:
            if not any(row[-1].strip() for row in self.below):
                return replace(self, first=[*self.first, ""])
            if _are_row_names([row[0] for row in self.below]):
                return replace(self, first=["", *self.first])
        if widths == {len(self.first) - 1} and not self.first[-1].strip():
            return replace(self, first=self.first[:-1])
        return self


def read_beginning(path: Path, reading: Reading, limits: Limits) -> Beginning:
    """Raises BadTable, and BadOption where it has another delimiter than it is read with."""
    begin = _text(path, limits)
    lines = csv.reader(io.StringIO(begin, newline=""), delimiter=reading.delimiter)
    csv.field_size_limit(limits.row_bytes)
    try:
        first = next((row for row in lines if row), None)
        if first and _declared_delimiter(first, reading) == reading.delimiter:
            first = next((row for row in lines if row), None)
    except csv.Error as error:
        raise BadTable("The first row cannot be read as CSV") from error
    if first is None:
        raise BadTable("The table has no rows")
    ended, is_cut = lines.line_num, len(begin.encode()) >= limits.row_bytes - 4  # of which a part of a character is cut
    if ended and is_cut and sum(map(len, first)) >= len(begin) - len(first) - 2:
        raise TableTooLarge("The first row is too long, or a quote is never closed")
    found = Beginning(first, ended, _some_rows(lines, is_cut=is_cut))
    _refuse_other_delimiters(found, reading)
    return found if reading.header is False else found.aligned()


def notes_of(names: Sequence[str]) -> list[str]:
    notes = ["Column 0 has no name, as an index that was written along: it was left out, and index=keep takes it"]
    empty = ["Columns at the right have no name and are empty: they were left out"]
    return notes * names[0].startswith(LEFT_OUT) + empty * names[-1].startswith(LEFT_OUT)


def _text(path: Path, limits: Limits) -> str:
    with path.open("rb") as file:
        begin = file.read(limits.row_bytes)
    if (offset := begin.find(b"\0", 0, 1024)) >= 0:
        raise BadTable(
            f"The byte at {offset} (from 0) is 0, as in UTF-16: name the file's charset, as in charset=utf-16"
        )
    return codecs.getincrementaldecoder("utf-8-sig")().decode(begin)


def _are_row_names(cells: Sequence[str]) -> bool:
    """Whether they are as R writes them: numbers from 1 on, or words, each another."""
    numbers = [str(number) for number in range(1, len(cells) + 1)]
    return cells == numbers or (len(set(cells)) == len(cells) > 1 and not any(_is_number(cell) for cell in cells))


def _is_number(cell: str) -> bool:
    try:
        float(cell or "0")
    except ValueError:
        return False
    return True


def _declared_delimiter(first: Sequence[str], reading: Reading) -> str | None:
    """What a line `sep=;` says, which Excel takes for itself."""
    line = reading.delimiter.join(first).strip(" ")
    return line[4] if line.lower().startswith("sep=") and len(line) == len("sep=;") else None


def _refuse_other_delimiters(found: Beginning, reading: Reading) -> None:
    """Where the first row has one cell, and another sign is in it as often as in all below; these may have commas."""
    first = found.first
    if _declared_delimiter(first, reading) or first[0].strip().lower() == "sep=":
        raise BadOption("The first line says sep=…: leave it out, and say it, as in delimiter=;", "delimiter")
    if len(first) > 1:
        return
    rows = [reading.delimiter.join(row) for row in [first, *found.below] if row]
    for sign, word in ((";", "semicolons"), ("\t", "tabs"), (",", "commas"), ("|", "bars")):
        counts = {row.count(sign) for row in rows} if sign not in (reading.delimiter, reading.decimal) else {0}
        if len(rows) > 1 and len(counts) == 1 and 0 not in counts:
            detail = (
                f"The first row has one cell, and {word} in it, as often as the others: say which delimiter they have"
            )
            has_commas = reading.delimiter == "," and any("," in row for row in rows)
            also = "; and decimal=, where a comma stands in numbers" if has_commas else ""
            raise BadOption(detail + also, "delimiter")
    if reading.decimal == "," != reading.delimiter and _has_quoted_commas(rows):
        detail = "The first row has one cell, and commas in it; cells with a decimal comma are in quotes below: say"
        raise BadOption(f"{detail} delimiter=, besides decimal=,", "delimiter")
    names, *below = (row.split() for row in rows)
    width, widths = len(names), {len(cells) for cells in below}
    is_of_cells = width > 1 and widths in ({width}, {width + 1})  # R names no column of row names
    if is_of_cells and all(_are_numbers(cells[-width:]) for cells in below):
        raise BadOption("The rows are numbers with spaces in between: say delimiter=whitespace", "delimiter")


def _has_quoted_commas(rows: Sequence[str]) -> bool:
    """Whether commas stand between cells, some of which are quoted for the commas in them."""
    first, *below = rows
    commas = first.count(",")
    return commas > 0 < len(below) and all('"' in row or row.count(",") > commas for row in below)


def _are_numbers(cells: Sequence[str]) -> bool:
    return all(map(_is_number, cells))


def _some_rows(lines: Iterator[list[str]], *, is_cut: bool) -> list[list[str]]:
    rows: list[list[str]] = []
    with suppress(csv.Error):
        rows.extend(row for row in islice(lines, _COMPARED) if row)
    return rows[:-1] if is_cut and len(rows) < _COMPARED else rows
