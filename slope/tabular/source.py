"""What every format is read as: fields, and batches of Arrow columns. What is wrong with the names is reported here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from slope.tabular.faults import BadTable, TableTooLarge
from slope.tabular.hints import Hint
from slope.tabular.plain import plain_type
from slope.tabular.reading import Limits, Reading
from slope.tabular.stored import rows_at_once

_WAITING = 16
"""Of a wide table each batch takes far more room than the numbers in it."""

FieldType = Literal["number", "integer", "boolean", "text"]


@dataclass(frozen=True)
class Field:
    """A column of the source. `text` is whatever is not a number: words, dates, nested values."""

    name: str
    type: FieldType


class FieldsChanged(Exception):
    """Raised while a table is read when its first block said too little of it: its fields are others now."""


class Source(Protocol):
    """A table in some format, which can be read as often as it is needed."""

    fields: list[Field]
    notes: Sequence[str] = ()
    """What was decided about the table that its sender may not expect."""

    empty_words: Sequence[str] = ()
    """Words that stand for nothing, as messages list them."""

    hints: Sequence[Hint] = ()
    """What to do with cells that are nearly numbers; none of a format whose numbers are no text."""

    def batches(self, numbers: Sequence[str], categories: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The columns of these names, some rows at a time; categories as strings. Raises BadTable and FieldsChanged."""

    def place_of_word(self, column: pa.Array) -> int | None:
        """Where a part of a column of text has its first cell that is no number; None where it has none."""
        place: int = pc.index(pc.is_valid(column), True).as_py()
        return None if place < 0 else place

    def whole_numbers(self, names: Sequence[str]) -> Iterator[tuple[int, str, int]]:
        """Large whole numbers by row and column, where `batches` has them as doubles, which may be rounded."""
        return iter(())

    def spellings(self, words: set[str]) -> dict[str, str]:
        """All the words of a column of categories, each with the name of what it stands for."""
        return {word: word for word in words}


def type_of(kind: pa.DataType) -> FieldType:
    """What a column of an Arrow type is to us. One of nothing but nulls may be numbers."""
    kind = plain_type(kind)
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_boolean(kind):
        return "boolean"
    is_number = pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    return "number" if is_number else "text"


def is_needed(name: str, reading: Reading) -> bool:
    """Whether a column must be of numbers, or of words: it is not left out, whatever it has."""
    return reading.text == "refuse" or name in reading.one_hot


def other_type(kind: FieldType, row: int, column: str) -> BadTable:
    """Of a value in JSON that is not of the type of those before it."""
    earlier = {"number": "a number", "integer": "a number", "boolean": "true or false", "text": "a word"}[kind]
    detail = f"The value is not {earlier}, as in earlier rows: a column of JSON has one type, and null for nothing"
    return BadTable(detail, row=row, column=column)


def check_names(names: Sequence[str], limits: Limits) -> None:
    """Raise BadTable for names that are missing, double or too long, and TableTooLarge for too many."""
    if len(names) > limits.columns:
        raise TableTooLarge(f"The table has {len(names):,} columns; {limits.columns:,} are allowed")
    seen: set[str] = set()
    for index, name in enumerate(names):
        if not name:
            raise BadTable(f"Column {index} has no name")
        if len(name) > limits.name_length:
            raise BadTable(f"The name of column {index} is longer than {limits.name_length} characters")
        if "\0" in name or not name.isprintable():
            raise BadTable(f"The name of column {index} has a character that cannot be printed")
        if name in seen:
            raise BadTable(f"Column {index} has the same name as an earlier one", column=name)
        seen.add(name)


def sized(batches: Iterator[pa.RecordBatch], width: int) -> Iterator[pa.RecordBatch]:
    """Batches of a size that suits us, whatever the sizes they come in: many small ones are put together."""
    wanted, waiting, rows = rows_at_once(width), [], 0
    for batch in batches:
        for start in range(0, batch.num_rows, wanted):
            part = batch.slice(start, wanted)
            waiting.append(part)
            rows += part.num_rows
            if rows >= wanted // 2:
                yield _together(waiting)
                waiting, rows = [], 0
            elif len(waiting) > _WAITING:
                waiting = [_together(waiting)]
    if waiting:
        yield _together(waiting)


def _together(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """One batch; Arrow copies even when there is nothing to put together."""
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)
