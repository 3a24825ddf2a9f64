"""`slope keys`: keys, made and looked after in the database itself, since the first one must come from somewhere."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.data_dir import DataDir, use_data_dir
from service.commands.remote.connection import need_server
from service.commands.remote.output import AsJson, AsLines, age_of, note, print_json, print_json_lines, print_rows
from service.commands.spans import read_span

if TYPE_CHECKING:
    from service.store.database import Database
    from service.store.tables import AccessKey

app = typer.Typer(help="Keys: who may come in.", no_args_is_help=True)

Called = Annotated[str, typer.Argument(help="Id or name of a key")]
Scope = Annotated[str, typer.Option(help="read (look and compute), train (change things too), or admin (also keys)")]
Expires = Annotated[str | None, typer.Option(help="When it ends: 12h, 90d, or a date as 2027-01-31; never by default")]
Overlap = Annotated[str, typer.Option(help="How long the old key lets in besides the new one, as 12h or 7d")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What to call it")],
    scope: Scope = "read",
    owner: Annotated[str | None, typer.Option(help="Whose things it makes and sees; by default its own name")] = None,
    expires: Expires = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a key, and print it. It is never shown again."""
    from service.access.callers import SCOPES
    from service.access.keys import create_key
    from service.settings import get_settings

    if scope not in SCOPES:
        raise typer.BadParameter(f"It should be one of {', '.join(SCOPES)}", param_hint="--scope")
    with _database(data_dir) as database, _blaming_options():
        made = create_key(database, name, scope, owner=owner, expires=_end(expires))
        _print_new(made.key, made.text, as_json=as_json)
    if sentence := _UNASKED.get(get_settings().auth):
        note(sentence)


@app.command(name="list")
def list_all(as_json: AsLines = False, data_dir: DataDir = None) -> None:
    """All keys, without their secrets."""
    from service.access.keys import list_keys, state_of
    from service.store.database import now

    with _database(data_dir) as database, database.reading() as session:
        found, _ = list_keys(session, after=None, limit=_MOST_LISTED)
        moment = now(session)
        told = [_facts(key, state_of(key, moment)) for key in found]
    if as_json:
        print_json_lines(told)
        return
    names = ("id", "name", "owner", "scope", "state", "ends", "made", "last used")
    rows = [
        [*map(facts.get, names[:5]), _minute(key.expires_at), age_of(key.created_at), _age(key.used_at)]
        for key, facts in zip(found, told, strict=True)
    ]
    print_rows(names, rows)


@app.command()
def rotate(called: Called, overlap: Overlap = "1d", as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Make a key in the place of another, which goes on for the time of the overlap, and print it."""
    from service.access.keys import get_key_called, rotate_key

    with _database(data_dir) as database:
        with database.reading() as session:
            old = get_key_called(session, called)
        made = rotate_key(database, old.id, overlap=read_span(overlap, "--overlap"))
        _print_new(made.key, made.text, as_json=as_json)
        note(f"The key {old.id} lets in for {overlap} more.")


@app.command()
def revoke(called: Called, data_dir: DataDir = None) -> None:
    """Let a key let nobody in any more; by a name, all keys of that name."""
    from service.access.keys import revoke_called

    with _database(data_dir) as database:
        for key in revoke_called(database, called):
            typer.echo(f"The key {key.id} ({key.name}) lets nobody in any more.")


@app.command()
def log(
    called: Annotated[str | None, typer.Argument(help="Id of a key, or a name; all keys by default")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most entries, the newest first")] = 50,
    as_json: AsLines = False,
    data_dir: DataDir = None,
) -> None:
    """What was done with a key, with all that had a name, or with all: every change that was asked for, and how it was
    answered."""
    from service.access.keys import list_deeds_called

    with _database(data_dir) as database, database.reading() as session:
        found = list_deeds_called(session, called, limit=limit)
    told = [{"key": key} | {name: getattr(entry, name) for name in _LOGGED} for entry, key in found]
    if as_json:
        print_json_lines(told)
    else:
        names = ("key", "method", "address", "subject", "status")
        print_rows(("at", *names), [[f"{each['at']:%Y-%m-%d %H:%M:%S}", *map(each.get, names)] for each in told])


_UNASKED: dict[str | None, str] = {
    "off": "A service with SLOPE_AUTH=off asks nobody for a key: leave that out, or say SLOPE_AUTH=required.",
    None: "A service that listens on 127.0.0.1 alone asks nobody for a key, unless it is started with"
    " SLOPE_AUTH=required.",
}
"""By SLOPE_AUTH."""
_MOST_LISTED = 10_000
_LOGGED = ("at", "key_id", "method", "address", "subject", "status")
_OPTIONS = {"/name": "name", "/owner": "--owner", "/expires_at": "--expires"}


@contextmanager
def _database(data_dir: Path | None) -> "Iterator[Database]":
    """The service's own, with its schema. Ends with a sentence where something is wrong."""
    need_server()
    use_data_dir(data_dir)
    from service import startup
    from service.storage import storage_at
    from service.store import schema
    from service.store.database import Database

    with startup.ending_in_a_sentence():
        settings = startup.begin()
        database = Database(settings.database)
        try:
            schema.upgrade_schema(database, storage=storage_at(settings.storage))
            yield database
        finally:
            database.dispose()


@contextmanager
def _blaming_options() -> Iterator[None]:
    """A value that no key can have is one of the command's own."""
    from service.errors import InvalidRequest

    try:
        yield
    except InvalidRequest as error:
        raise typer.BadParameter(error.detail, param_hint=_OPTIONS[error.faults[0].pointer]) from error


def _print_new(key: "AccessKey", text: str, *, as_json: bool) -> None:
    """The key alone on standard output, so that a shell can take it."""
    if as_json:
        print_json(_facts(key, "valid") | {"key": text})
        return
    note(f"The key {key.id} ({key.name}, {key.scope}) of {key.owner}. It is shown this once:")
    typer.echo(text)


def _facts(key: "AccessKey", state: str) -> dict[str, Any]:
    told = ("id", "name", "owner", "scope", "created_at", "expires_at", "revoked_at", "used_at", "replaced_by")
    return {name: getattr(key, name) for name in told} | {"state": state}


def _age(moment: datetime | None) -> str | None:
    return None if moment is None else age_of(moment)


def _minute(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def _end(text: str | None) -> datetime | timedelta | None:
    if text is None:
        return None
    if re.fullmatch(r"\d{4}-\d\d-\d\d.*", text):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise typer.BadParameter(f"{text} is no date", param_hint="--expires") from error
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return read_span(text, "--expires", ", or a date as 2027-01-31")
