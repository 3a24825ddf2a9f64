"""What commands print: for people tables and lines, with `--json` one document, or a document a line for streams.

Standard output has the answer and nothing else; what is said besides goes to standard error.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

Json = dict[str, Any]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, and nothing else there")]
AsLines = Annotated[bool, typer.Option("--json", help="A JSON document a line on standard output, and nothing else")]

NOTHING = "–"
_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = "_.-=+*#@"

_WIDEST = 10_000
"""Columns of a line that is not for a terminal: it is not wrapped."""


def console() -> Console:
    """For this moment's standard output: plain and unwrapped where it is no terminal."""
    found = Console(highlight=False, markup=False, emoji=False)
    return found if found.is_terminal else Console(highlight=False, markup=False, emoji=False, width=_WIDEST)


def print_json(answer: Any) -> None:
    typer.echo(_json(answer, indent=2))


def print_json_lines(answers: Iterable[Any]) -> None:
    for answer in answers:
        typer.echo(_json(answer))


def print_rows(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    console().print(table_of(names, rows))


def table_of(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table without lines. Columns of numbers are right-aligned."""
    cells = [[text_of(cell) for cell in row] for row in rows]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, name in enumerate(names):
        table.add_column(name, justify="right" if _are_numbers(row[place] for row in cells) else "left", no_wrap=True)
    for row in cells:
        table.add_row(*row)
    return table


def print_facts(facts: Mapping[str, Any]) -> None:
    """A name and what is to be said of it, a line each; what is None is left out."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for name, value in facts.items():
        if value is not None:
            table.add_row(name, text_of(value))
    console().print(table)


def note(sentence: str) -> None:
    """Say something besides the answer."""
    typer.echo(sentence, err=True)


def text_of(value: Any) -> str:
    if value is None:
        return NOTHING
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def age_of(moment: datetime) -> str:
    """How long ago it was, in the largest unit that it fills."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def sparkline(values: Sequence[float | None], encoding: str = "utf-8") -> str:
    """The course of some numbers as a line of bars, by their logarithms where all are above zero."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return ""
    heights = [math.log(value) for value in known] if min(known) > 0 else known
    low, span = min(heights), max(heights) - min(heights)
    bars = _BARS if encoding.lower().startswith("utf") else _ASCII_BARS
    return "".join(bars[round((height - low) / span * (len(bars) - 1)) if span else 0] for height in heights)


def _json(answer: Any, indent: int | None = None) -> str:
    """As the service has sent it."""
    from pydantic import BaseModel
    from pydantic_core import to_json

    if isinstance(answer, BaseModel):
        return answer.model_dump_json(indent=indent, exclude_unset=True)
    return to_json(answer, indent=indent, inf_nan_mode="null").decode()


def _are_numbers(cells: Iterable[str]) -> bool:
    found = [cell for cell in cells if cell != NOTHING]
    return bool(found) and all(_is_number(cell) for cell in found)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
