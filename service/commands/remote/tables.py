"""How a file is to be read: the options of `slope upload` that `slope train` has, too."""

import re
import shlex
from typing import Annotated

import typer

_PANEL = "How to read the file"
_NAMES = (
    *("format", "header", "delimiter", "decimal", "thousands", "charset", "missing"),
    *("nulls", "infinities", "text", "one_hot", "index"),
)
_VALUE = r"(?<=delimiter=)[;,]|(?<=decimal=),|[\w?-]+"
"""After other names a comma is one of the sentence: thousands=, or …"""
_PARAMETER = re.compile(rf"/query/({'|'.join(_NAMES)})\b|\b({'|'.join(_NAMES)})=({_VALUE})?")
"""As the service names an option: where it is wrong, or what to say."""
_HEADER = {"true": "--header", "false": "--no-header"}

Format = Annotated[
    str | None,
    typer.Option(help="csv, ndjson, json, parquet or arrow [default: as the file's name ends]", rich_help_panel=_PANEL),
]
Header = Annotated[bool | None, typer.Option(help="Whether row 0 of CSV names the columns", rich_help_panel=_PANEL)]
Delimiter = Annotated[str | None, typer.Option(help="Of CSV: what stands between cells", rich_help_panel=_PANEL)]
Decimal = Annotated[str | None, typer.Option(help="Of CSV: . or ,", rich_help_panel=_PANEL)]
Thousands = Annotated[
    str | None, typer.Option(help="Of CSV: the sign between thousands, as in 1,234", rich_help_panel=_PANEL)
]
Charset = Annotated[str | None, typer.Option(help="Of text, as windows-1252; else UTF-8", rich_help_panel=_PANEL)]
Missing = Annotated[
    list[str] | None, typer.Option(help="Word of CSV for nothing, as ?; again for more", rich_help_panel=_PANEL)
]
Nulls = Annotated[str | None, typer.Option(help="Empty cells: refuse, drop, mean or zero", rich_help_panel=_PANEL)]
Infinities = Annotated[
    str | None, typer.Option(help="Infinite numbers: refuse, drop, mean or zero", rich_help_panel=_PANEL)
]
Text = Annotated[str | None, typer.Option(help="Columns of words: refuse or drop", rich_help_panel=_PANEL)]
OneHot = Annotated[
    list[str] | None, typer.Option(help="Column to split by its values; again for more", rich_help_panel=_PANEL)
]
Index = Annotated[
    str | None, typer.Option(help="Columns that pandas had as an index: drop or keep", rich_help_panel=_PANEL)
]


def with_options(sentence: str) -> str:
    """What the service says of an upload, with the options of the command in the place of the query's parameters."""
    return _PARAMETER.sub(_option, sentence)


def _option(found: re.Match[str]) -> str:
    name, value = found[1] or found[2], found[3]
    if name == "header" and value in _HEADER:
        return _HEADER[value]
    option = f"--{name.replace('_', '-')}"
    return f"{option} {_quoted(value)}" if value else option


def _quoted(value: str) -> str:
    """In quotes where the shell needs them, or the reader, who would take a comma for one of the sentence."""
    return f"'{value}'" if value == "," else shlex.quote(value)
