"""The `slope` command. What only some commands need is imported by them: the base install is client and CLI."""

import importlib.util
import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, NoReturn, TextIO

import typer
from rich.console import Console

from slope import __version__

app = typer.Typer(help="Train linear regressions as a service.", no_args_is_help=True, pretty_exceptions_enable=False)
db = typer.Typer(help="The database's schema.", no_args_is_help=True)
app.add_typer(db, name="db")
jobs = typer.Typer(help="Jobs, as an operator sees them.", no_args_is_help=True)
app.add_typer(jobs, name="jobs")

console = Console()

Url = Annotated[str, typer.Option(envvar="SLOPE_URL", help="Address of the service")]
DataDir = Annotated[Path | None, typer.Option(help="Folder of the embedded database [default: by platform]")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit")
    ] = False,
) -> None:
    """Train linear regressions as a service."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of ASCII shows what it can


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Jobs trained at the same time")] = 1,
    data_dir: DataDir = None,
) -> None:
    """Run API, worker and broker on this machine until Ctrl-C."""
    _need_server()
    _use(data_dir)
    from service.commands.serve import run_service

    run_service(host, port, workers)


@app.command()
def demo() -> None:
    """Train the lecture's job through a service of its own, print every number, and stop."""
    _need_server()
    from service.commands.demo import run_demo

    run_demo()


@app.command()
def api(
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
) -> NoReturn:
    """Run the API alone; database and broker as SLOPE_DATABASE_URL and SLOPE_BROKER_URL say."""
    _need_server()
    _become("service.api", "--host", host, "--port", str(port))


@app.command()
def worker(workers: Annotated[int, typer.Option(min=1, max=256, help="Jobs trained at the same time")] = 1) -> NoReturn:
    """Run a worker alone; database and broker as SLOPE_DATABASE_URL and SLOPE_BROKER_URL say."""
    _need_server()
    _become("worker", str(workers))


@db.command()
def upgrade(data_dir: DataDir = None) -> None:
    """Bring the database's schema to the newest version."""
    _need_server()
    _use(data_dir)
    from service import startup
    from service.storage import storage_at
    from service.store import schema
    from service.store.database import Database

    with startup.ending_in_a_sentence():
        settings = startup.begin()
        schema.upgrade_schema(Database(settings.database), storage=storage_at(settings.storage))
    console.print("The schema is up to date.")


@app.command()
def doctor(data_dir: DataDir = None) -> None:
    """Tell what is well, what is not, and what to do about it."""
    _need_server()
    _use(data_dir)
    from service.commands.operate import print_diagnoses

    print_diagnoses()


@jobs.command()
def reap(data_dir: DataDir = None) -> None:
    """Do once what workers do all the time: put jobs of dead workers back, and ring again."""
    _need_server()
    _use(data_dir)
    from service.commands.operate import reap_jobs

    reap_jobs()


@app.command()
def submit(
    file: Annotated[typer.FileText, typer.Argument(help="A job request as JSON; - reads standard input")],
    url: Url = "http://127.0.0.1:8000",
    wait: Annotated[bool, typer.Option(help="Follow the job to its end")] = True,
) -> None:
    """Send a job to a service and print what came of it."""
    from slope.client import Client

    request = _read(file)
    with _client_errors(url), Client(url) as client:
        job = client.submit(request)
        if wait:
            typer.echo(f"Job {job['id']} is {job['status']}.", err=True)  # who stops waiting can look it up
            job = client.wait(job["id"], timeout=math.inf)
    console.print_json(data=job)
    if wait and job["status"] != "succeeded":
        raise typer.Exit(1)


@app.command()
def upload(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, NDJSON, JSON, Parquet or Arrow")],
    name: Annotated[str | None, typer.Option(help="What to call the dataset")] = None,
    format: Annotated[
        str | None, typer.Option(help="csv, ndjson, json, parquet or arrow [default: as the file's name ends]")
    ] = None,
    header: Annotated[bool | None, typer.Option(help="Whether row 0 of CSV names the columns")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Of CSV: what stands between cells")] = None,
    decimal: Annotated[str | None, typer.Option(help="Of CSV: . or ,")] = None,
    thousands: Annotated[str | None, typer.Option(help="Of CSV: the sign between thousands, as in 1,234")] = None,
    charset: Annotated[str | None, typer.Option(help="Of text, as windows-1252; else UTF-8")] = None,
    missing: Annotated[list[str] | None, typer.Option(help="Word of CSV for nothing, as ?; again for more")] = None,
    nulls: Annotated[str | None, typer.Option(help="Empty cells: refuse, drop, mean or zero")] = None,
    infinities: Annotated[str | None, typer.Option(help="Infinite numbers: refuse, drop, mean or zero")] = None,
    text: Annotated[str | None, typer.Option(help="Columns of words: refuse or drop")] = None,
    one_hot: Annotated[list[str] | None, typer.Option(help="Column to split by its values; again for more")] = None,
    index: Annotated[str | None, typer.Option(help="Columns that pandas had as an index: drop or keep")] = None,
    url: Url = "http://127.0.0.1:8000",
) -> None:
    """Keep a table as a dataset, for jobs to name by its id, and print what is in it."""
    from slope.client import Client

    csv: dict[str, Any] = {"header": header, "delimiter": delimiter, "decimal": decimal, "charset": charset}
    csv |= {"thousands": thousands, "missing": missing}
    cells = {"nulls": nulls, "infinities": infinities, "text": text, "one_hot": one_hot, "index": index}
    with _client_errors(url), Client(url) as client:
        console.print_json(data=client.upload(file, name=name, format=format, **csv, **cells))


@app.command()
def graph(
    job: Annotated[str, typer.Argument(help="The job's id")],
    epoch: Annotated[int, typer.Argument(min=0, help="Counted from 0")],
    step: Annotated[int, typer.Argument(min=0, help="Counted from 0")],
    row: Annotated[int | None, typer.Option(min=0, help="Row of the batch to show [default: its first]")] = None,
    expand: Annotated[list[int] | None, typer.Option(min=0, help="Feature to show by itself; again for more")] = None,
    output: Annotated[Path | None, typer.Option(help="File to write: .svg, .png, .dot, .mmd, .txt, .json")] = None,
    url: Url = "http://127.0.0.1:8000",
) -> None:
    """Show the chain rule at work in a step of a job: values forward, gradients back."""
    from slope.client import Client

    with _client_errors(url), Client(url) as client:
        if output is None:
            typer.echo(client.step_tree(job, epoch, step, row=row, expand=expand or ()), nl=False)
        else:
            client.save_step_graph(job, epoch, step, output, row=row, expand=expand or ())


@contextmanager
def _client_errors(url: str) -> Iterator[None]:
    """End with a sentence where the service refuses, does not answer, or the file's name says no format."""
    from httpx2 import HTTPError

    from slope.client import Problem

    try:
        yield
    except (Problem, ValueError) as error:
        _fail(str(error))
    except HTTPError as error:
        _fail(f"There is no answer from {url} ({error}): start the service by `slope serve`, or name another by --url")


def _read(file: TextIO) -> Any:
    try:
        request = json.load(file)
        json.dumps(request, allow_nan=False)  # what reads it lets NaN and infinities pass
    except ValueError as error:
        _fail(f"The request is not JSON: {error}")
    return request


def _use(data_dir: Path | None) -> None:
    """Name the data folder to this process and those it starts."""
    if data_dir is not None:
        os.environ["SLOPE_DATA_DIR"] = str(data_dir.resolve())


def _need_server() -> None:
    if importlib.util.find_spec("fastapi") is None or importlib.util.find_spec("torch") is None:
        _fail("This command needs the server's parts: pip install 'slope-regression[server]'")


def _become(module: str, *arguments: str) -> NoReturn:
    """Go on as another program of ours, in this process: signals reach it directly."""
    from service.commands.supervisor import python_of

    os.execv(sys.executable, [*python_of(module), *arguments])  # noqa: S606


def _fail(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(2)


if __name__ == "__main__":
    app()
