"""What the service says of an upload, as the command line has it."""

import inspect

import pytest

from service.commands.remote import tables
from service.commands.remote.datasets import upload


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "/query/delimiter: say which they have; and decimal=, where",
            "--delimiter: say which they have; and --decimal, where",
        ),
        (
            "by one_hot=, or leave them out by text=drop. Columns",
            "by --one-hot, or leave them out by --text drop. Columns",
        ),
        ("as ?, missing=? keeps its column", "as ?, --missing '?' keeps its column"),
        ("say header=true or header=false", "say --header or --no-header"),
        ("as in charset=windows-1252", "as in --charset windows-1252"),
        ("as in delimiter=;", "as in --delimiter ';'"),
        ("/query/limit: context=3, y = 2", "/query/limit: context=3, y = 2"),
    ],
)
def test_options_are_named_as_the_command_has_them(said: str, told: str) -> None:
    assert tables.with_options(said) == told


def test_every_option_of_an_upload_is_known() -> None:
    options = set(inspect.signature(upload).parameters) - {"file", "name", "url"}
    assert {
        each for each in options if tables.with_options(f"/query/{each}") == f"--{each.replace('_', '-')}"
    } == options
