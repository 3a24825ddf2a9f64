"""`slope backup` and `slope restore`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.data_dir import DataDir, use_data_dir
from service.commands.remote.connection import fail, need_server
from slope.spec.names import counted

if TYPE_CHECKING:
    from service.storage import Storage
    from service.upkeep.copies.manifest import Manifest

app = typer.Typer()

Place = Annotated[str, typer.Argument(help="A folder, or a bucket as s3://bucket/prefix", show_default=False)]


@app.command()
def backup(
    place: Place,
    verify: Annotated[bool, typer.Option("--verify", help="Check the backup that is there, and make none")] = False,
    data_dir: DataDir = None,
) -> None:
    """Copy database and datasets, as they are at one moment, to an empty folder or bucket. The service may run."""
    storage = _storage_at(place, data_dir)
    from service import startup
    from service.store.database import Database
    from service.upkeep.copies.backup import make_backup
    from service.upkeep.copies.manifest import check_copy

    with startup.ending_in_a_sentence():
        settings = startup.begin()
        if verify:
            _tell("The backup is whole", check_copy(storage))
            return
        from service.storage import storage_at

        database = Database(settings.database)
        _tell("Backed up", make_backup(database, storage_at(settings.storage), storage, _report))


@app.command()
def restore(
    place: Place,
    replace: Annotated[bool, typer.Option("--replace", help="Delete what is in the database now")] = False,
    data_dir: DataDir = None,
) -> None:
    """Have what a backup holds in database and storage, which are to be new. Start API and workers afterwards."""
    copy = _storage_at(place, data_dir)
    from service import startup
    from service.storage import storage_at
    from service.store.database import Database
    from service.upkeep.copies.restore import restore_backup

    with startup.ending_in_a_sentence():
        settings = startup.begin()
        database, storage = Database(settings.database), storage_at(settings.storage)
        done = restore_backup(database, storage, copy, replace=replace, report=_report)
        _tell("Restored", done.manifest)
        typer.echo(f"Jobs that go on from where they were: {done.returned}.")


def _storage_at(place: str, data_dir: Path | None) -> "Storage":
    need_server()
    use_data_dir(data_dir)
    from service.addresses import normalize_storage_url
    from service.storage import storage_at

    try:
        return storage_at(normalize_storage_url(place if "://" in place else str(Path(place).absolute())))
    except ValueError as error:
        fail(f"{place} cannot be used: {error}")


def _report(words: str) -> None:
    typer.echo(words, err=True)


def _tell(what: str, manifest: "Manifest") -> None:
    counts = f"{counted(manifest.rows_of('jobs'), 'job')}, {counted(manifest.rows_of('datasets'), 'dataset')}"
    files = counted(len(list(manifest.files)), "file")
    made = f"{manifest.created_at:%Y-%m-%d %H:%M:%S} UTC"
    typer.echo(f"{what}: {counts}, as they were at {made}; {files}, {manifest.size / 1024**2:.1f} MiB.")
