"""How a table is to be read, and how large it may be."""

from dataclasses import dataclass
from typing import Literal, get_args

from slope.triangle import MOST_COLUMNS

Format = Literal["csv", "ndjson", "json", "parquet", "arrow"]
FORMATS: tuple[Format, ...] = get_args(Format)
Treatment = Literal["refuse", "drop", "mean", "zero"]


@dataclass(frozen=True)
class Reading:
    """What the reader decides where the file leaves a choice. The default refuses whatever is not a finite number."""

    header: bool | None = None
    """Of CSV: whether the first row names the columns; None compares it with the rows below."""
    delimiter: str = ","
    """Of CSV; a space, or `whitespace`, which has tabs as well, is as many as there are."""
    decimal: str = "."
    """Of CSV: `.` or `,`."""
    nulls: Treatment = "refuse"
    """Empty cells and NaN: refuse the table, drop the row, or put the column's mean or 0 in their place."""
    infinities: Treatment = "refuse"
    text: Literal["refuse", "drop"] = "refuse"
    """Columns of something else than numbers: refuse the table, or leave the column out."""
    one_hot: tuple[str, ...] = ()
    """Columns that become one column of 0 and 1 for each of their values."""
    missing: tuple[str, ...] = ()
    """Of CSV: words for nothing, besides the usual ones."""
    index: Literal["drop", "keep"] = "drop"
    """Columns that a frame had as its index: leave them out, or read them as others."""
    thousands: str = ""
    """Of CSV: the sign between the thousands of a number, as `,` in 1,234.5; none by default."""
    charset: str | None = None
    """Of CSV, NDJSON and JSON: how the file has its characters; None refuses what is not UTF-8."""


def fold_name(name: str) -> str:
    """White space is folded: no-break spaces and line breaks in names are those of a layout."""
    return " ".join(name.split()) if "\0" not in name else name


@dataclass(frozen=True)
class Limits:
    """What a table may have at most, decoded; what the file says of itself does not count."""

    numbers: int = 1_000_000_000
    columns: int = 10_000
    categories: int = 1_000
    """Different values of a column that becomes several."""
    name_length: int = 200
    file_bytes: int = 4 * 1024**3
    """Decompressed."""
    row_bytes: int = 1024 * 1024
    """Of one row as text; so much is parsed at a time."""
    document_bytes: int = 64 * 1024 * 1024
    """Of a JSON document, which is read as a whole."""
    triangle_columns: int = MOST_COLUMNS
    """A table of more columns has no triangle."""
