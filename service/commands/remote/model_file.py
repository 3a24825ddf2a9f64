"""A model's file, whose name says which format it has."""

from pathlib import Path
from typing import Annotated

import typer

_MODELS = (".safetensors", ".onnx", ".skops", ".json")


def _check_ending(file: Path | None) -> Path | None:
    """Before the training, for after it there is a job and no file."""
    if file and file.suffix not in _MODELS:
        raise typer.BadParameter(f"a model is kept as one of {', '.join(_MODELS)}, and {file.name} is none of these")
    return file


ModelFile = Annotated[
    Path | None,
    typer.Option("--output", "-o", callback=_check_ending, help=f"Keep the model: {', '.join(_MODELS)}"),
]
