"""Which rows are held back, where a request says it row by row."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from slope.spec.faults import invalid
from slope.spec.part import MAX_COUNT, FewFaults

_Row = Annotated[int, Field(ge=0, le=MAX_COUNT)]


def _ascending(ranges: list[list[int]]) -> list[list[int]]:
    """No row is named twice: the ranges ascend, as the numbers of each do."""
    end = 0
    for index, (first, stop) in enumerate(ranges):
        if first >= stop:
            raise invalid((index,), f"A range ends after its first row: {stop} is not after {first}")
        if first < end:
            raise invalid((index, 0), f"The ranges come in their order and share no row: this one begins before {end}")
        end = stop
    return ranges


Ranges = Annotated[
    list[Annotated[list[_Row], Field(min_length=2, max_length=2)]], AfterValidator(_ascending), FewFaults
]
"""Rows as ranges [first, stop), counted from 0; `stop` is the row after the last."""


def rows_in(ranges: Sequence[Sequence[int]]) -> int:
    """How many rows the ranges have."""
    return sum(stop - first for first, stop in ranges)


def common_row(ranges: Sequence[Sequence[int]], others: Sequence[Sequence[int]]) -> int | None:
    """The first row that is in both, if any is."""
    for first, stop in ranges:
        for other, end in others:
            if max(first, other) < min(stop, end):
                return max(first, other)
    return None
