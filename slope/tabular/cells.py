"""From Arrow's columns to float64: NaN where there was nothing, and no number changed on the way."""

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from slope.arrays import Array
from slope.tabular.faults import BadTable, WordFound
from slope.tabular.hints import SIGNS, hint_for
from slope.tabular.plain import plain_column
from slope.tabular.source import type_of
from slope.tabular.stored import doubles

EXACT = 2**53
"""Whole numbers up to here are doubles; of those beyond only some."""
_IN_FULL = 10**21
"""Whole numbers below have all of their digits in a name; so has every integer of 64 bits."""
INEXACT = "The whole number is not exact in float64: leave its column out of the file"
_NO_NUMBER = (
    "The cell is not a number: {}make columns of a column's words by one_hot=, or leave columns of words out by"
    " text=drop"
)
_NOTHING = doubles(np.array([np.nan]))[0]


def as_numbers(column: pa.Array, name: str, row: int) -> Array:
    """The numbers of a column that begins at a row. Raises BadTable for words, and for integers that no double is."""
    column = plain_column(column)
    if type_of(column.type) == "text":
        first = max(pc.index(pc.is_valid(column), True).as_py(), 0)
        hint = hint_for(str(column[first]), [SIGNS])
        raise WordFound(_NO_NUMBER.format(hint and f"{hint}, or "), row=row + first, column=name)
    if pa.types.is_integer(column.type) or _is_whole_decimal(column.type):
        _refuse_inexact(column, name, row)
    if pa.types.is_decimal(column.type):
        column = pc.cast(column, pa.string())  # from there Arrow rounds to the nearest double
    if not pa.types.is_float64(column.type):
        column = pc.cast(column, pa.float64(), safe=False)
    whole = pc.fill_null(column, _NOTHING) if column.null_count else column
    return np.asarray(np.from_dlpack(whole), np.float64)  # to_numpy() loads pandas where it is there: 0.1 s


def as_words(column: pa.Array, name: str, row: int) -> pa.Array:
    """A column of categories, which begins at a row, by their names. Raises BadTable for what has none."""
    column = plain_column(column)
    if type_of(column.type) == "text":
        return _as_strings(column, name, row)
    coded = column.dictionary_encode()
    return pa.array([name_of(value) for value in _values(coded.dictionary)], pa.string()).take(coded.indices)


def _as_strings(column: pa.Array, name: str, row: int) -> pa.Array:
    try:
        return pc.cast(column, pa.string())
    except pa.ArrowNotImplementedError:
        raise BadTable(f"Values of the type {column.type} cannot be categories", column=name) from None
    except pa.ArrowInvalid:
        values = enumerate(column.to_pylist())
        bad = next((index for index, value in values if isinstance(value, bytes) and not _is_utf8(value)), 0)
        raise BadTable("The cell is not UTF-8", row=row + bad, column=name) from None


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def name_of(value: bool | int | float | Decimal | None) -> str | None:
    """What a category is called, in whatever format it came: the shortest decimal that reads back.

    Whole numbers have all of their digits and no point; of what is not a number there is no name.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    number = value if isinstance(value, int) else float(value)
    if number != number:
        return None
    if isinstance(value, Decimal) and value == value.to_integral_value():
        number = int(value)
    if isinstance(number, float) and (not number.is_integer() or abs(number) >= _IN_FULL):
        return repr(number)
    return str(int(number)) if abs(number) < _IN_FULL else repr(float(number))


def indicators(words: pa.Array, spellings: dict[str, str], categories: list[str]) -> list[Array]:
    """For each category 1 where one of its spellings is and 0 elsewhere; NaN where there is nothing."""
    indices = pc.index_in(words, pa.array(list(spellings), pa.string())).to_numpy(zero_copy_only=False).astype(float)
    missing = np.isnan(indices)
    codes = np.array([categories.index(name) for name in spellings.values()] or [0])
    found = codes[np.where(missing, 0, indices).astype(int)]
    return [np.where(missing, np.nan, found == number) for number in range(len(categories))]


def _values(distinct: pa.Array) -> list[Any]:
    """As Python has them; numbers of less than 64 bits by what is written of them, not by what follows as a double."""
    if pa.types.is_float32(distinct.type) or pa.types.is_float16(distinct.type):
        return [None if value is None else float(str(value)) for value in distinct.to_numpy(zero_copy_only=False)]
    return list(distinct.to_pylist())


def _is_whole_decimal(kind: pa.DataType) -> bool:
    """As databases have large identifiers, which are to be exact as integers are."""
    return bool(pa.types.is_decimal(kind) and kind.scale <= 0)


def _refuse_inexact(column: Any, name: str, row: int) -> None:
    bounds = pc.min_max(column).as_py()
    if bounds["min"] is None or -EXACT <= bounds["min"] <= bounds["max"] <= EXACT:
        return
    for index, value in enumerate(column.to_pylist()):
        if value is not None and int(float(value)) != value:
            raise BadTable(INEXACT, row=row + index, column=name)
