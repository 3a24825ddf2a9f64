"""`slope upload`, `datasets` and `devices`: what a service keeps, and what it trains on."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.remote.connection import DEFAULT_URL, Url, answering, connected
from service.commands.remote.output import (
    AsJson,
    AsLines,
    age_of,
    note,
    print_facts,
    print_json,
    print_json_lines,
    print_rows,
)
from service.commands.remote.tables import (
    Charset,
    Decimal,
    Delimiter,
    Format,
    Header,
    Index,
    Infinities,
    Missing,
    Nulls,
    OneHot,
    Text,
    Thousands,
    with_options,
)

if TYPE_CHECKING:
    from slope.answers.workers import WorkerView

app = typer.Typer()
datasets = typer.Typer(help="Datasets: list, show, delete.", no_args_is_help=True)
app.add_typer(datasets, name="datasets")

DatasetId = Annotated[str, typer.Argument(metavar="ID", help="The dataset's id")]


@app.command()
def upload(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, NDJSON, JSON, Parquet or Arrow")],
    name: Annotated[str | None, typer.Option(help="What to call the dataset")] = None,
    format: Format = None,
    header: Header = None,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    charset: Charset = None,
    missing: Missing = None,
    nulls: Nulls = None,
    infinities: Infinities = None,
    text: Text = None,
    one_hot: OneHot = None,
    index: Index = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Keep a table as a dataset, for jobs to name by its id, and print, as JSON, what is in it."""
    reading: dict[str, Any] = {"format": format, "header": header, "delimiter": delimiter, "decimal": decimal}
    reading |= {"thousands": thousands, "charset": charset, "missing": missing, "nulls": nulls}
    reading |= {"infinities": infinities, "text": text, "one_hot": one_hot, "index": index}
    with connected(url) as client, answering(url, with_options):
        print_json(client.upload(file, name=name, **reading))


@datasets.command("list")
def list_datasets(
    limit: Annotated[int, typer.Option(min=1, help="Most datasets to print")] = 20,
    as_json: AsLines = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List uploaded datasets, the newest first."""
    with connected(url) as client:
        found = list(islice(client.datasets(limit=str(min(limit, 1000))), limit))
    if as_json:
        print_json_lines(found)
        return
    rows = [(each.id, each.name, each.rows, len(each.columns), age_of(each.created_at)) for each in found]
    print_rows(("id", "name", "rows", "columns", "age"), rows)


@datasets.command()
def show(dataset: DatasetId, as_json: AsJson = False, url: Url = DEFAULT_URL) -> None:
    """Show a dataset's columns with their statistics."""
    with connected(url) as client:
        found = client.dataset(dataset)
    if as_json:
        print_json(found)
        return
    print_facts({"dataset": found.id, "name": found.name, "rows": found.rows})
    names = ("name", "type", "nulls", "min", "max", "mean", "deviation")
    print_rows(names, [[getattr(column, name) for name in names] for column in found.columns])
    for sentence in found.notes:
        note(sentence)


@datasets.command()
def delete(
    dataset_ids: Annotated[list[str], typer.Argument(metavar="ID…", help="Their ids")], url: Url = DEFAULT_URL
) -> None:
    """Delete datasets that no job uses."""
    with connected(url) as client:
        for dataset_id in dataset_ids:
            client.delete_dataset(dataset_id)
            note(f"Dataset {dataset_id} is deleted.")


@app.command()
def devices(as_json: AsLines = False, url: Url = DEFAULT_URL) -> None:
    """List the workers, and the devices that they train on."""
    with connected(url) as client:
        found = list(client.workers())
    if as_json:
        print_json_lines(found)
        return
    rows = [
        (each.hostname, each.process_id, "alive" if each.alive else "gone", each.slots, _devices(each))
        for each in found
    ]
    print_rows(("host", "process", "state", "slots", "devices"), rows)


def _devices(worker: "WorkerView") -> str:
    return ", ".join(f"{device.name} ({device.description})" for device in worker.devices)
