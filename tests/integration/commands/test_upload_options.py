"""What the service says of an upload, as the command line has it."""

import inspect
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.commands.cli import app
from service.commands.remote import tables
from service.commands.remote.datasets import upload
from slope.client import Client, Problem


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "/query/delimiter: say which they have; and decimal=, where",
            "--delimiter: say which they have; and --decimal ',' where",
        ),
        (
            "by one_hot=, or leave them out by text=drop. Columns",
            "by --one-hot, or leave them out by --text drop. Columns",
        ),
        ("as ?, missing=? keeps its column", "as ?, --missing '?' keeps its column"),
        ("say header=true or header=false", "say --header or --no-header"),
        ("as in charset=windows-1252", "as in --charset windows-1252"),
        ("as in delimiter=;", "as in --delimiter ';'"),
        ("say delimiter=, besides decimal=,", "say --delimiter ',' besides --decimal ','"),
        ("by thousands=, or by missing=, or", "by --thousands, or by --missing, or"),
        ("/query/limit: context=3, y = 2", "/query/limit: context=3, y = 2"),
    ],
)
def test_options_are_named_as_the_command_has_them(said: str, told: str) -> None:
    assert tables.with_options(said) == told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["upload", "FILE"], "--text foo"),
        (["train", "FILE", "--target", "y"], "--text foo"),
        (["datasets", "show", "any"], "text=foo"),
    ],
    ids=["upload", "train", "another"],
)
def test_what_is_said_of_a_file_alone_is_put_into_options(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], told: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Problem({"title": "Refused", "status": 422, "detail": "say text=foo"})

    monkeypatch.setattr(Client, "upload", refuse)
    monkeypatch.setattr(Client, "dataset", refuse)
    file = tmp_path / "rows.csv"
    file.write_text("x,y\n1,2\n")

    ended = CliRunner().invoke(app, [str(file) if word == "FILE" else word for word in words])

    assert ended.exit_code == 2
    assert f"say {told}" in ended.output


def test_every_option_of_an_upload_is_known() -> None:
    options = set(inspect.signature(upload).parameters) - {"file", "name", "url"}
    assert {
        each for each in options if tables.with_options(f"/query/{each}") == f"--{each.replace('_', '-')}"
    } == options
