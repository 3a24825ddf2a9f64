"""`slope predict`: what it asks of a service, and what it makes of the answers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner, Result

from service.api.document.openapi import ANSWERS
from service.commands.cli import app
from service.commands.remote import predictions
from service.commands.remote.connection import answering
from slope.client import Client

JOB = next(iter(json.loads(ANSWERS.read_bytes())["get_job"].values()))
Asked = list[dict[str, Any]]


def answer(asked: Asked, request: httpx2.Request) -> httpx2.Response:
    """A model of two features, a and b, that predicts a + b."""
    if request.method == "GET":
        return httpx2.Response(200, json=JOB | {"dataset": JOB["dataset"] | {"features": 2, "columns": ["a", "b"]}})
    asked.append(json.loads(request.content))
    bounds = {"lower": -1.0, "upper": 1.5} if "interval" in asked[-1] else {}
    data = [{"x": row, "before": 0.0, "after": sum(row), **bounds} for row in asked[-1]["x"]]
    return httpx2.Response(200, json={"data": data, "next": None})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """The requests for predictions that the command makes."""
    found: Asked = []

    @contextmanager
    def connected(url: str) -> Iterator[Client]:
        transport = httpx2.MockTransport(lambda request: answer(found, request))
        with answering(url), Client(url, transport=transport) as client:
            yield client

    monkeypatch.setattr(predictions, "connected", connected)
    return found


def slope_predict(*words: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["predict", "7", *words], input=text)


def test_an_interval_is_asked_for_and_its_bounds_are_shown(asked: Asked) -> None:
    shown = slope_predict("1,2", "3,4", "--interval", "prediction", "--level", "0.9").stdout
    assert asked == [{"x": [[1.0, 2.0], [3.0, 4.0]], "interval": {"kind": "prediction", "level": 0.9}}]
    assert [line.split() for line in shown.splitlines()] == [
        ["after", "lower", "upper"],
        ["3", "-1", "1.5"],
        ["7", "-1", "1.5"],
    ]
    [told, _] = json.loads(slope_predict("1,2", "3,4", "--interval", "confidence", "--json").stdout)
    assert told == {"x": [1.0, 2.0], "before": 0.0, "after": 3.0, "lower": -1.0, "upper": 1.5}
    assert asked[-1]["interval"] == {"kind": "confidence"}
    assert "say --interval" in slope_predict("1,2", "--level", "0.9").stderr


def test_the_rows_of_a_table_are_kept_in_their_order_with_their_predictions(asked: Asked, tmp_path: Path) -> None:
    count = 2 * predictions._POINTS + 1
    table = "b,word,a\n" + "".join(f"{row},w,{2 * row}\n" for row in range(count))
    kept = tmp_path / "kept.csv"
    assert slope_predict("-", "--interval", "prediction", "-o", str(kept), text=table).stdout == ""
    header, *lines = kept.read_text().splitlines()
    assert header == "a,b,before,after,lower,upper"
    assert lines == [f"{2.0 * row},{row:.1f},0.0,{3.0 * row},-1.0,1.5" for row in range(count)]
    assert [len(each["x"]) for each in asked] == [predictions._POINTS] * 2 + [1]


def test_predictions_of_an_epoch_are_kept_as_lines_of_json(asked: Asked, tmp_path: Path) -> None:
    kept = tmp_path / "kept.ndjson"
    slope_predict("-", "--epoch", "3", "-o", str(kept), text="a,b\n1,2\n")
    assert asked == [{"x": [[1.0, 2.0]], "epoch": 3}]
    assert json.loads(kept.read_text()) == {"x": [1.0, 2.0], "before": 0.0, "after": 3.0}


@pytest.mark.parametrize(
    ("words", "table", "said"),
    [
        ([], "a,b\n1,2\n,4\n", "Column 'a' has no number in row 1"),
        ([], "a,b\n1,two\n", "Column 'b' has 'two' in row 0"),
        ([], "a,c\n1,2\n", "There is no column 'b': there are 'a', 'c'"),
        ([], "a,b,a\n1,2,3\n", "Several columns have the name 'a'"),
        ([], "a,b\n1\n", "Row 0 of the table has 1 cell, and its header 2"),
        ([], 'a,b\n"1"2,3\n', "cannot be read as CSV"),
        ([], "", "There is no column 'a', 'b'"),
        (["-o", "kept.xlsx"], "a,b\n1,2\n", ".csv, .ndjson"),
        (["-o", "no such folder/kept.csv"], "a,b\n1,2\n", "No such file or directory"),
    ],
    ids=["gap", "word", "missing", "double", "short", "quotes", "empty", "ending", "folder"],
)
def test_a_table_that_cannot_be_predicted_is_told_and_nothing_is_kept(
    asked: Asked, words: list[str], table: str, said: str
) -> None:
    done = slope_predict("-", "--interval", "prediction", *words, text=table)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", "").split())
