"""The `slope` command. What only some commands need is imported by them: the base install is client and CLI."""

import importlib.util
import os
import sys
from io import TextIOWrapper
from typing import Annotated, NoReturn

import typer

from service.commands import copies, keys, prune
from service.commands.data_dir import DataDir, use_data_dir
from service.commands.remote import datasets, jobs, predictions, records, training, webhooks
from service.commands.remote.connection import DEFAULT_URL, Url, answering, fail, need_server
from slope import __version__
from slope.extras import how_to_add

app = typer.Typer(help="Train linear regressions as a service.", no_args_is_help=True, pretty_exceptions_enable=False)
db = typer.Typer(help="The database's schema.", no_args_is_help=True)
app.add_typer(db, name="db")
app.add_typer(keys.app, name="keys")
app.add_typer(jobs.app, name="jobs")
app.add_typer(webhooks.app, name="webhooks")
for commands in (training, records, predictions, datasets, copies, prune):
    app.add_typer(commands.app)

Insecure = Annotated[
    bool, typer.Option("--insecure", help="Let everybody in who reaches another address than loopback, without a key")
]


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
    insecure: Insecure = False,
) -> None:
    """Run API, worker and broker on this machine until Ctrl-C."""
    need_server()
    use_data_dir(data_dir)
    from service.commands.serve import run_service

    run_service(host, port, workers, insecure=insecure)


@app.command()
def demo() -> None:
    """Train the lecture's job through a service of its own, print every number, and stop."""
    need_server()
    from service.commands.demo import run_demo

    run_demo()


@app.command()
def api(
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    insecure: Insecure = False,
) -> NoReturn:
    """Run the API alone; database and broker as SLOPE_DATABASE_URL and SLOPE_BROKER_URL say."""
    need_server()
    _become("service.api", "--host", host, "--port", str(port), *(["--insecure"] if insecure else []))


@app.command()
def worker(workers: Annotated[int, typer.Option(min=1, max=256, help="Jobs trained at the same time")] = 1) -> NoReturn:
    """Run a worker alone; database and broker as SLOPE_DATABASE_URL and SLOPE_BROKER_URL say."""
    need_server()
    _become("worker", str(workers))


@db.command()
def upgrade(data_dir: DataDir = None) -> None:
    """Bring the database's schema to the newest version."""
    need_server()
    use_data_dir(data_dir)
    from service import startup
    from service.storage import storage_at
    from service.store import schema
    from service.store.database import Database

    with startup.ending_in_a_sentence():
        settings = startup.begin()
        schema.upgrade_schema(Database(settings.database), storage=storage_at(settings.storage))
    typer.echo("The schema is up to date.")


@app.command()
def mcp(
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="Tools may queue, rerun, pause and cancel jobs, not only read")
    ] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Serve the service's calls as tools for agents, over MCP on standard input and output."""
    if importlib.util.find_spec("mcp") is None:
        fail(f"This command needs the MCP SDK: {how_to_add('mcp')}")
    from service.commands.agents.server import run_server

    with answering(url):
        run_server(url, allow_changes=allow_changes)


@app.command()
def doctor(data_dir: DataDir = None) -> None:
    """Tell what is well, what is not, and what to do about it."""
    need_server()
    use_data_dir(data_dir)
    from service.commands.operate import print_diagnoses

    print_diagnoses()


@jobs.app.command()
def reap(data_dir: DataDir = None) -> None:
    """Do once what workers do all the time: put jobs of dead workers back, and ring again."""
    need_server()
    use_data_dir(data_dir)
    from service.commands.operate import reap_jobs

    reap_jobs()


def _become(module: str, *arguments: str) -> NoReturn:
    """Go on as another program of ours, in this process: signals reach it directly."""
    from service.commands.supervisor import python_of

    os.execv(sys.executable, [*python_of(module), *arguments])  # noqa: S606


if __name__ == "__main__":
    app()
