"""How a file is to be read: the options of `slope upload` that `slope train` has, too."""

from typing import Annotated

import typer

_PANEL = "How to read the file"

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
