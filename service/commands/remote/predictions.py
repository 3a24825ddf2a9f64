"""`slope predict`: what a job's model says of points, or of the rows of a table."""

import csv
import sys
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.remote.connection import DEFAULT_URL, Url, connected, fail
from service.commands.remote.jobs import JobId
from service.commands.remote.output import AsJson, Json, note, print_json, print_rows
from service.commands.remote.records import AtEpoch
from slope.spec.names import counted

if TYPE_CHECKING:
    from slope.answers.predictions import PredictionView
    from slope.client import Client

app = typer.Typer()

_POINTS = 1000
"""Of a request."""
_FILES = (".csv", ".ndjson")
_BOUNDED = ("after", "lower", "upper")


def _check_ending(file: Path | None) -> Path | None:
    if file and file.suffix not in _FILES:
        known = ", ".join(_FILES)
        raise typer.BadParameter(f"predictions are kept as one of {known}, and {file.name} is none of these")
    return file


@app.command()
def predict(
    job: JobId,
    points: Annotated[list[str], typer.Argument(help="Points as 30,1; or a CSV file; or - for standard input")],
    epoch: AtEpoch = None,
    interval: Annotated[
        str | None, typer.Option(help="Tell bounds: confidence, of the line itself, or prediction, of a new y")
    ] = None,
    level: Annotated[
        float | None, typer.Option(help="With which probability they hold it [default: 0.95]", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", callback=_check_ending, help=f"Keep rows and predictions: {', '.join(_FILES)}"),
    ] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Predict points, or the rows of a CSV whose header names the features, in their order."""
    if level is not None and interval is None:
        fail("--level is of an interval: say --interval confidence or --interval prediction, too")
    asked: Json = {"kind": interval} if level is None else {"kind": interval, "level": level}
    bounds: Json = {"interval": asked} if interval else {}
    with connected(url) as client:
        table = _table(points)
        if table is not None and not bounds and epoch is None and output is None:
            _print_numbers(client.invoke(job, table).predictions, as_json=as_json)
            return
        features = client.job(job).dataset.columns or []
        rows = [_point(each) for each in points] if table is None else _rows_of(table, features)
        found = _predicted(client, job, rows, bounds | {"epoch": epoch})
        if output is not None:
            _write(output, features, found, has_bounds=bool(bounds))
            note(f"The predictions are in {output}.")
    if output is not None:
        return
    if not bounds:
        _print_numbers([each.after for each in found], as_json=as_json)
    elif as_json:
        print_json(found)
    else:
        print_rows(_BOUNDED, [[getattr(each, name) for name in _BOUNDED] for each in found])


def _predicted(client: "Client", job_id: str, rows: list[Any], options: Json) -> "list[PredictionView]":
    starts = range(0, len(rows), _POINTS)
    return [each for start in starts for each in client.predict(job_id, rows[start : start + _POINTS], **options)]


def _print_numbers(numbers: Sequence[float | None], *, as_json: bool) -> None:
    if as_json:
        print_json(numbers)
        return
    for each in numbers:
        typer.echo(each)


def _write(file: Path, features: Sequence[str], found: "Iterable[PredictionView]", *, has_bounds: bool) -> None:
    """The members of the answers, as the API's own files have them; in CSV the features by their names."""
    if file.suffix == ".ndjson":
        file.write_text("".join(each.model_dump_json(exclude_unset=True) + "\n" for each in found))
        return
    names = ("before", *(_BOUNDED if has_bounds else _BOUNDED[:1]))
    with file.open("w", newline="") as opened:
        lines = csv.writer(opened, lineterminator="\n")
        lines.writerow([*features, *names])
        lines.writerows([*each.x, *(getattr(each, name) for name in names)] for each in found)


def _table(points: list[str]) -> bytes | None:
    """The CSV that is named, or comes in; None where points themselves are given. Lines of numbers are points."""
    if points == ["-"]:
        content = sys.stdin.buffer.read()
    elif len(points) == 1 and Path(points[0]).is_file():
        content = Path(points[0]).read_bytes()
    else:
        return None
    lines = [line for line in content.decode(errors="replace").splitlines() if line.strip()]
    if lines and _is_point(lines[0]):
        points[:] = lines
        return None
    return content


def _rows_of(table: bytes, features: Sequence[str]) -> list[Any]:
    """The rows of a CSV, its columns found by their names. Raises ValueError."""
    from slope.client.frames import rows_to_predict

    try:
        lines = [*filter(None, csv.reader(StringIO(table.decode("utf-8-sig"), newline=""), strict=True))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"The table cannot be read as CSV in UTF-8: {error}") from error
    names, *rows = lines or [[]]
    if double := [name for name in features if names.count(name) > 1]:
        raise ValueError(f"Several columns have the name {double[0]!r}: rename all but one of them")
    for number, row in enumerate(rows):
        if len(row) != len(names):
            cells = counted(len(row), "cell")
            raise ValueError(f"Row {number} of the table has {cells}, and its header {len(names)}")
    columns = {name: [_cell(row[place]) for row in rows] for place, name in enumerate(names)}
    return rows_to_predict(columns, features)


def _cell(text: str) -> float | str | None:
    """As columns of a frame have it; None of an empty one."""
    try:
        return float(text)
    except ValueError:
        return text.strip() or None


def _point(text: str) -> list[float]:
    if not _is_point(text):
        fail(f"A point is numbers with commas between them, as 30,1, and there is no file of this name: {text}")
    return [float(each) for each in next(csv.reader([text]))]


def _is_point(text: str) -> bool:
    try:
        return [float(each) for each in text.split(",")] != []
    except ValueError:
        return False
