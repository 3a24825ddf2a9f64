"""From Arrow's columns to float64: NaN where there was nothing, and no number changed on the way."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from slope.data import Array
from slope.tabular.faults import BadTable
from slope.tabular.source import type_of
from slope.tabular.stored import doubles

_EXACT = 2**53
"""Whole numbers up to here are doubles; of those beyond only some."""
_NOTHING = doubles(np.array([np.nan]))[0]


def as_numbers(column: pa.Array, name: str, row: int) -> Array:
    """The numbers of a column that begins at a row. Raises BadTable for words, and for integers that no double is."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if type_of(column.type) == "text":
        first = pc.index(pc.is_valid(column), True).as_py()
        raise BadTable("The cell is not a number", row=row + max(first, 0), column=name)
    if pa.types.is_integer(column.type):
        _refuse_inexact(column, name, row)
    if not pa.types.is_float64(column.type):
        column = pc.cast(column, pa.float64(), safe=False)
    whole = pc.fill_null(column, _NOTHING) if column.null_count else column
    return np.asarray(np.from_dlpack(whole), np.float64)  # to_numpy() loads pandas where it is there: 0.1 s


def as_words(column: pa.Array) -> pa.Array:
    """A column of categories as strings; whole numbers without a point."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return pc.cast(column, pa.string())


def indicators(words: pa.Array, categories: list[str]) -> list[Array]:
    """For each category 1 where it is and 0 elsewhere; NaN where there is nothing."""
    codes = pc.index_in(words, pa.array(categories, pa.string())).to_numpy(zero_copy_only=False).astype(np.float64)
    missing = np.isnan(codes)
    return [np.where(missing, np.nan, codes == number) for number in range(len(categories))]


def _refuse_inexact(column: Any, name: str, row: int) -> None:
    bounds = pc.min_max(column).as_py()
    if bounds["min"] is None or -_EXACT <= bounds["min"] <= bounds["max"] <= _EXACT:
        return
    for place, value in enumerate(column.to_pylist()):
        if value is not None and int(float(value)) != value:
            raise BadTable("The whole number is not exact in float64", row=row + place, column=name)
