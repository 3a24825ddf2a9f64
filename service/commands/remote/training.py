"""`slope train`, `submit`, `sweep` and `plan`: what starts a training, or says what one would do."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.remote.connection import DEFAULT_URL, Local, Url, answering, connected
from service.commands.remote.following import (
    RANKED,
    announce,
    follow_job,
    follow_sweep,
    leave_unless_succeeded,
    ranked_rows,
)
from service.commands.remote.model_file import ModelFile
from service.commands.remote.output import AsJson, Json, note, print_facts, print_json, print_rows
from service.commands.remote.printed_job import print_job
from service.commands.remote.requests import RequestFile, Settings, read_request, read_settings
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
from slope.spec.names import counted

if TYPE_CHECKING:
    from slope.answers.jobs import JobView
    from slope.client import Client

app = typer.Typer()

_BATCH = "Rows of a step, or full"
Retry = Annotated[float, typer.Option(min=0, help="Seconds for which a service that is away is asked again")]
RETRY_SECONDS = 20.0
"""It is restarted in less."""


@app.command()
def train(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, NDJSON, JSON, Parquet or Arrow")],
    target: Annotated[str, typer.Option(help="The column to predict")],
    features: Annotated[str | None, typer.Option(help="Columns to learn from, by commas [default: all others]")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the rows")] = None,
    learning_rate: Annotated[str | None, typer.Option(help="A number [default: one that suits the data]")] = None,
    batch_size: Annotated[str | None, typer.Option(help=_BATCH)] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd, adam, adamw, rmsprop, adagrad or lbfgs")] = None,
    standardize: Annotated[bool | None, typer.Option(help="Whether to scale the columns for the training")] = None,
    validation_fraction: Annotated[float | None, typer.Option(help="Part of the rows to hold back")] = None,
    test_fraction: Annotated[float | None, typer.Option(help="Part of the rows to measure the end by")] = None,
    cross_validation: Annotated[int | None, typer.Option(help="Folds that exact solutions are validated on")] = None,
    weights: Annotated[str | None, typer.Option(help="A column that says how much each row counts")] = None,
    l1: Annotated[float | None, typer.Option(help="Penalty on the weights' absolute values")] = None,
    l2: Annotated[float | None, typer.Option(help="Penalty on the weights' squares")] = None,
    settings: Settings = None,
    name: Annotated[str | None, typer.Option(help="What to call the job")] = None,
    output: ModelFile = None,
    wait: Annotated[bool, typer.Option(help="Follow the job to its end")] = True,
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
    retry: Retry = RETRY_SECONDS,
    as_json: AsJson = False,
    local: Local = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Train on a table: take it in, submit the job, follow it to its end, and print what came of it."""
    hyperparameters = {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "standardize": standardize,
        "validation_fraction": validation_fraction,
        "test_fraction": test_fraction,
        "l1": l1,
        "l2": l2,
    }
    given = {name: _number(value) for name, value in hyperparameters.items() if value is not None}
    reading: dict[str, Any] = {"format": format, "header": header, "delimiter": delimiter, "decimal": decimal}
    reading |= {"thousands": thousands, "charset": charset, "missing": missing, "nulls": nulls}
    reading |= {"infinities": infinities, "text": text, "one_hot": one_hot, "index": index}
    with connected(url, local=local) as client:
        with answering(url, with_options):
            dataset = client.upload(file, **reading)
        for sentence in dataset.notes:
            note(with_options(sentence))
        chosen: Json = {"id": dataset.id, "target": target}
        if weights:
            chosen["weights"] = weights
        if features:
            chosen["features"] = [each.strip() for each in features.split(",")]
        request = {"dataset": chosen, "hyperparameters": given | read_settings(settings)}
        own = {key: value for key, value in {"name": name, "cross_validation": cross_validation}.items() if value}
        job = _train(client, request | own, wait=wait, retry=retry)
        if output and job.status == "succeeded":
            client.save_model(job.id, output)
            note(f"The model is in {output}.")
        print_json(job) if as_json else print_job(job)
    if wait:
        leave_unless_succeeded(job)


@app.command()
def submit(
    file: RequestFile,
    wait: Annotated[bool, typer.Option(help="Follow the job to its end")] = True,
    retry: Retry = RETRY_SECONDS,
    local: Local = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Send a job to a service and print, as JSON, what came of it."""
    request = read_request(file)
    with connected(url, local=local) as client:
        job = _train(client, request, wait=wait, retry=retry)
    print_json(job)
    if wait:
        leave_unless_succeeded(job)


@app.command()
def sweep(
    file: RequestFile,
    best: Annotated[int, typer.Option(min=1, help="Settings to print, the best first")] = 10,
    as_json: AsJson = False,
    local: Local = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Send a sweep to a service, wait until its jobs have ended, and print the best settings."""
    request = read_request(file)
    with connected(url, local=local) as client:
        submitted = client.submit_sweep(request)
        note(f"Sweep {submitted.id} has {counted(submitted.progress.jobs, 'job')}.")
        found = follow_sweep(client, submitted.id, best)
        if as_json:
            print_json(found)
            return
        print_facts({"sweep": found.id, "ended": found.counts, "ranked by": found.ranked_by})
        print_rows(RANKED, ranked_rows(found, best))


@app.command()
def plan(file: RequestFile, as_json: AsJson = False, url: Url = DEFAULT_URL) -> None:
    """Say what a job would do, without queueing it: its engine and cost, the exact solution, what to mind."""
    request = read_request(file)
    with connected(url) as client:
        found = client.plan(request)
    if as_json:
        print_json(found)
        return
    planned, analysis = found.plan, found.analysis
    print_facts(
        {
            "engine": f"{planned.engine}: {planned.why}",
            "steps": planned.steps,
            "numbers recorded": planned.recorded_numbers,
            "seconds": planned.estimated_seconds,
            "largest stable rate": analysis and analysis.max_stable_learning_rate,
            "condition number": analysis and analysis.condition_number,
            "R²": analysis and analysis.r_squared,
        }
    )
    for sentence in found.warnings:
        note(sentence)


def _train(client: "Client", request: Any, *, wait: bool, retry: float) -> "JobView":
    job = client.submit(request, timeout=retry)
    announce(job)
    return follow_job(client, job.id) if wait else job


def _number(value: Any) -> Any:
    """`--batch-size 16` is a number, `--batch-size full` a word."""
    for kind in (int, float):
        try:
            return kind(value) if isinstance(value, str) else value
        except ValueError:
            continue
    return value
