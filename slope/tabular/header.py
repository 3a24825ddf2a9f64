"""Whether the first row of a CSV file names its columns, by the words and types that the reader knows."""

import re
from collections.abc import Sequence

import pyarrow.csv as arrow_csv

from slope.tabular.faults import BadOption
from slope.tabular.reading import Reading

_NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity)", re.IGNORECASE | re.ASCII)
_WORDS = arrow_csv.ConvertOptions()
NOTHING = frozenset(_WORDS.null_values)
_TRUTHS = frozenset([*_WORDS.true_values, *_WORDS.false_values]) - {"0", "1"}


def has_header(rows: Sequence[Sequence[str]], reading: Reading) -> bool:
    """By the first row beside those below it, and by columns that options name. Raises BadOption where it may be both.

    A word above numbers is a name. A number above numbers, or a word that comes again below, is a row's.
    """
    first = rows[0]
    if any(name in first for name in reading.one_hot):
        return True
    kinds = [kind_of(cell, reading) for cell in first]
    if "word" not in kinds:
        return False
    names, again, numbers = False, False, []
    for index, (cell, kind) in enumerate(zip(first, kinds, strict=True)):
        below = [row[index] for row in rows[1:] if index < len(row)]
        found = {kind_of(each, reading) for each in below} - {"nothing"}
        names |= kind in ("word", "truth") and bool(found) and not found & {"word", kind}
        again |= kind == "word" and cell in below
        numbers += [cell] if kind in ("number", "truth") and found <= {kind} else []
    return _decision(names, again, numbers)


def _decision(names: bool, again: bool, numbers: Sequence[str]) -> bool:
    """By words above numbers, words that come again below, and numbers that may be names, as years are."""
    are_measured = len(set(numbers)) < len(numbers) or not all(number.isdecimal() for number in numbers)
    if names and not again and not are_measured:
        return True
    if not names and (again or not numbers or are_measured):
        return not (again or numbers)
    raise BadOption("Row 0 may name the columns or be the first of the rows: say header=true or header=false", "header")


def kind_of(cell: str, reading: Reading) -> str:
    """What the reader takes a cell for: nothing, a number, a truth, or a word."""
    cell = cell.strip()
    if cell in NOTHING or cell in reading.missing:
        return "nothing"
    if cell in _TRUTHS:
        return "truth"
    return "number" if _NUMBER.fullmatch(cell.replace(reading.decimal, ".")) else "word"
