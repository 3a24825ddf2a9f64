"""Which data folder a command works on."""

import os
from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[Path | None, typer.Option(help="Folder of the embedded database [default: by platform]")]


def use_data_dir(data_dir: Path | None) -> None:
    """Name the data folder to this process and those it starts."""
    if data_dir is not None:
        os.environ["SLOPE_DATA_DIR"] = str(data_dir.resolve())
