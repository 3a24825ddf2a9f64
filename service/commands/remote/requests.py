"""Requests that a command reads from a file, or from the words of its line."""

import json
from typing import Annotated, Any, TextIO

import typer

from service.commands.remote.connection import fail

RequestFile = Annotated[typer.FileText, typer.Argument(help="The request as JSON; - reads standard input")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any other hyperparameter, its value as JSON; again for more"),
]


def read_request(file: TextIO) -> Any:
    try:
        request = json.load(file)
        json.dumps(request, allow_nan=False)  # what reads it lets NaN and infinities pass
    except ValueError as error:
        fail(f"The request is not JSON: {error}")
    return request


def read_settings(words: list[str] | None) -> dict[str, Any]:
    """`epochs=20` and `optimizer={"name": "adam"}`; a value that is no JSON is a word, as in `optimizer=adam`."""
    found = {}
    for word in words or ():
        name, equals, value = word.partition("=")
        if not (name and equals):
            fail(f"--set takes NAME=VALUE, as in --set epochs=20; it was given {word}")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
