"""`slope prune`."""

from typing import Annotated

import typer

from service.commands.data_dir import DataDir, use_data_dir
from service.commands.remote.connection import need_server
from service.commands.spans import Age
from slope.spec.names import counted
from slope.statuses import FINAL

app = typer.Typer()


def _final(status: str) -> str:
    if status not in FINAL:
        raise typer.BadParameter(f"{status!r} is none of {', '.join(FINAL)}")
    return status


Statuses = Annotated[
    list[str] | None, typer.Option(parser=_final, metavar="STATUS", help="Only jobs that ended like this; repeatable")
]


@app.command()
def prune(
    older_than: Age,
    status: Statuses = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and delete nothing")] = False,
    data_dir: DataDir = None,
) -> None:
    """Delete jobs that ended long ago with all their records, and old datasets without a name that no job uses.

    Jobs with an alias, the sweeps they are of, and datasets with a name stay. The service may run.
    """
    need_server()
    use_data_dir(data_dir)
    from service import startup
    from service.storage import storage_at
    from service.store.database import Database
    from service.upkeep import retention

    with startup.ending_in_a_sentence():
        settings = startup.begin()
        database, statuses = Database(settings.database), tuple(status or FINAL)
        if dry_run:
            pruned, what = retention.find_prunable(database, older_than, statuses), "Would delete"
        else:
            pruned, what = retention.prune(database, storage_at(settings.storage), older_than, statuses), "Deleted"
    jobs, records = counted(pruned.jobs, "job"), counted(pruned.records, "record")
    typer.echo(f"{what} {jobs} with {records}, and {counted(pruned.datasets, 'dataset')}.")
