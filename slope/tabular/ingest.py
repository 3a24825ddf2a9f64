"""From a file that somebody has sent to a table as it is stored."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from slope.answers.datasets import Kind
from slope.arrays import Array
from slope.spec.names import listed
from slope.tabular.cells import EXACT, INEXACT
from slope.tabular.columnar import Arrow, Parquet
from slope.tabular.comma_separated import CommaSeparated
from slope.tabular.faults import BadOption, BadTable, TableTooLarge, WordFound
from slope.tabular.hints import hint_for
from slope.tabular.json_document import JsonDocument
from slope.tabular.json_lines import JsonLines
from slope.tabular.layout import Layout, layout_of
from slope.tabular.left_out import MOST_NAMED, FirstWord, note_of
from slope.tabular.reading import Format, Limits, Reading
from slope.tabular.signatures import refuse_others
from slope.tabular.source import FieldsChanged, Source, sized
from slope.tabular.spaces import SPACES, fold
from slope.tabular.stored import TableWriter
from slope.tabular.summary import Column, Summarizer, Summary
from slope.tabular.text import make_utf8
from slope.tabular.thousands import join_thousands
from slope.tabular.threads import Part, PartWorkers
from slope.triangle import Triangulation

_SOURCES: dict[Format, Callable[[Path, Reading, Limits], Source]] = {
    "csv": CommaSeparated,
    "ndjson": JsonLines,
    "json": JsonDocument,
    "parquet": Parquet,
    "arrow": Arrow,
}

_TIMES_AS_LARGE = 8
"""What is stored may be this many times as large as what was sent before it is compressed: a digit and a comma become
eight bytes."""


def ingest(path: Path, format: Format, target: Path, reading: Reading, limits: Limits) -> Summary:
    """Read a table, check every number of it, and write it as it is stored. Raises BadTable and BadOption."""
    return take_in(open_source(path, format, reading, limits), target, reading, limits, path.stat().st_size)


def open_source(path: Path, format: Format, reading: Reading, limits: Limits) -> Source:
    """A table of which no more is known than its columns. Raises BadTable and BadOption."""
    refuse_others(path, format)
    if format in ("csv", "ndjson", "json"):
        make_utf8(path, reading.charset, limits)
    if format == "csv" and reading.delimiter in SPACES:
        reading = replace(reading, delimiter=fold(path, reading.delimiter, limits.row_bytes))
    if format == "csv" and reading.thousands:
        if reading.thousands == reading.decimal:
            raise BadOption("The sign between thousands is that of decimals too: say which one it is", "thousands")
        join_thousands(path, reading, limits.row_bytes)
    return _SOURCES[format](path, reading, limits)


def take_in(source: Source, target: Path, reading: Reading, limits: Limits, sent_bytes: int) -> Summary:
    """Check every number of a table, and write it as it is stored. Raises BadTable and BadOption.

    At no time is more of it in memory than a few batches, but of a JSON document.
    """
    try:
        try:
            return _taken_in(source, target, reading, limits, sent_bytes)
        except FieldsChanged:  # once at most: then all of the table has been looked through
            return _taken_in(source, target, reading, limits, sent_bytes)
    except WordFound as fault:
        raise _among(fault, source, reading) from None


def _among(fault: WordFound, source: Source, reading: Reading) -> WordFound:
    """The fault with all columns that have words, and with what counts as nothing."""
    names = [each.name for each in source.fields if each.type == "text" and each.name not in reading.one_hot]
    columns = f". Columns with words are {listed(names, MOST_NAMED)}" if len(names) > 1 else ""
    known = f". These words count as empty: {', '.join(source.empty_words)}" if source.empty_words else ""
    named = WordFound(f"{fault.detail}{columns}{known}")
    named.row, named.column = fault.row, fault.column
    return named


def _taken_in(source: Source, target: Path, reading: Reading, limits: Limits, sent_bytes: int) -> Summary:
    layout = layout_of(source, reading, limits)
    summarizer = Summarizer(layout.names)
    triangulation = Triangulation(len(layout.names)) if len(layout.names) <= limits.triangle_columns else None
    nulls, kinds = [0] * len(layout.names), layout.types()
    row = 0
    with (
        TableWriter(target, layout.names, _TIMES_AS_LARGE * sent_bytes) as writer,
        PartWorkers(_works(summarizer, writer, triangulation)) as workers,
    ):
        batches = source.batches([field.name for field in layout.numbers], list(layout.categories))
        for batch in sized(batches, len(layout.names)):
            columns, empty = layout.columns(batch, row)
            row += batch.num_rows
            _refuse_too_many(row * len(columns), limits)
            nulls = [before + here for before, here in zip(nulls, empty, strict=True)]
            kinds = [_kind(kind, values) for kind, values in zip(kinds, columns, strict=True)]
            if len(columns[0]):
                workers.take(columns)
    if summarizer.rows == 0:
        raise BadTable("The table has no rows" if row == 0 else "The table has no rows without empty cells")
    summary = summarizer.summary(kinds, nulls)
    _refuse_rounded(source, summary)
    triangle = triangulation.triangle() if triangulation else None
    return replace(summary, notes=[*source.notes, *_left_out(source, layout)], triangle=triangle)


def _left_out(source: Source, layout: Layout) -> list[str]:
    names = [field.name for field in source.fields if field.name not in layout.order]
    return [note_of(names, _first_words(source, names[:MOST_NAMED]))] if names else []


def _first_words(source: Source, names: Sequence[str]) -> dict[str, FirstWord]:
    """The first cell of each column that is no number, where the file is text: only a little of it is read again."""
    found: dict[str, FirstWord] = {}
    row = 0
    for batch in source.batches([], names) if source.hints else ():
        for name in batch.schema.names:
            place = source.place_of_word(batch.column(name)) if name not in found else None
            if place is not None:
                found[name] = FirstWord(row + place, hint_for(str(batch.column(name)[place]), source.hints))
        if len(found) == batch.num_columns:
            break
        row += batch.num_rows
    return found


def _refuse_rounded(source: Source, summary: Summary) -> None:
    """Whole numbers in text are read as doubles; where those are so large that one may be rounded, read them again."""
    large = [each.name for each in summary.columns if each.type in ("integer", "number") and _may_be_rounded(each)]
    for row, name, number in source.whole_numbers(large) if large else ():
        with suppress(OverflowError):  # of a number that has been treated as infinite
            if int(float(number)) != number:
                raise BadTable(INEXACT, row=row, column=name)


def _may_be_rounded(column: Column) -> bool:
    return max(abs(column.min or 0), abs(column.max or 0)) >= EXACT


def _works(
    summarizer: Summarizer, writer: TableWriter, triangulation: Triangulation | None
) -> list[Callable[[Part], None]]:
    """What is done with every part: to hash it takes longer than to write it, and is shared by two."""
    shares = (slice(0, None, 2), slice(1, None, 2))
    works: list[Callable[[Part], None]] = [*(partial(summarizer.add, share=share) for share in shares), writer.write]
    return works if triangulation is None else [*works, triangulation.add]


def _kind(kind: Kind, values: Array) -> Kind:
    """Text tells of its first rows that they are whole; later ones, or a mean among them, may not be."""
    return "number" if kind == "integer" and (values != np.rint(values)).any() else kind


def _refuse_too_many(numbers: int, limits: Limits) -> None:
    if numbers > limits.numbers:
        raise TableTooLarge(f"The table has more than the {limits.numbers:,} numbers that are allowed")
