"""What to do with a cell that is nearly a number, by what it is like."""

import re
from collections.abc import Sequence

Hint = tuple[str, str]
"""A pattern of the cell, and what to do."""

SIGNS: Hint = (
    r"[+-]?([$€£¥] ?[\d.,]+|[\d.,]+ ?([%‰°$€£¥]|[^\W\d_]{1,3}))",
    "leave signs and units to the column's name",
)
HINTS: Sequence[Hint] = (
    (r"-?\d{1,3}([,.' \u00a0\u202f]\d{3})+([.,]\d*)?", "name the sign between thousands by thousands="),
    (r"-?\d+,\d+", "say decimal=, where a comma stands in numbers"),
    (r"\u2212[\d.,]+", "write its minus sign as a hyphen, as programs do"),
    SIGNS,
)
"""Of CSV, whose options say how numbers are written."""


def hint_for(cell: str, hints: Sequence[Hint]) -> str:
    """What to do; nothing for what is a word."""
    return next((what for like, what in hints if re.fullmatch(like, cell.strip())), "")
