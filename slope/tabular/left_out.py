"""What is said of columns that text=drop leaves out: when they are, and when somebody asks for one of them later."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slope.spec.names import listed

MOST_NAMED = 20
"""Columns that are named as left out."""
_BEGIN = "Columns that are not numbers were left out, as text=drop says: "


@dataclass(frozen=True)
class FirstWord:
    """The first cell of a column that is no number."""

    row: int
    hint: str
    """What to do with what is nearly a number; empty of a word."""

    def __str__(self) -> str:
        return f"row {self.row}: {self.hint}" if self.hint else f"row {self.row}"


def note_of(columns: Sequence[str], words: Mapping[str, FirstWord]) -> str:
    """The columns that were left out, each with its first word where that is known."""
    named = [f'"{name}" ({words[name]})' if name in words else f'"{name}"' for name in columns]
    return (
        f"{_BEGIN}{listed(named, MOST_NAMED)}. Where a word of CSV, as ?, stands for an empty cell, missing=? keeps its"
        " column"
    )


def reason_left_out(name: str, notes: Sequence[str]) -> str | None:
    """Why a dataset with these notes lacks a column; None of one that its file had not, or that is not named."""
    told = next((note for note in notes if note.startswith(_BEGIN)), "")
    if f'"{name}"' not in told:  # a name may be a whole body, and no pattern is made of one that long
        return None
    found = re.search(rf'"{re.escape(name)}"(?: \((row [^)]*)\))?', told)
    assert found
    where = f" The first cell that is no number is in {found[1]}." if found[1] else ""
    return (
        f"The column is not of numbers, and text=drop left it out of the dataset.{where} Make numbers of it, and upload"
        " the table again"
    )
