"""`slope epochs`, `steps`, `graph`, `statistics` and others: what a job recorded, and what its model says."""

import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.remote.connection import DEFAULT_URL, Url, connected, fail
from service.commands.remote.jobs import JobId
from service.commands.remote.model_file import ModelFile
from service.commands.remote.output import (
    AsJson,
    AsLines,
    Json,
    note,
    print_json,
    print_json_lines,
    print_rows,
    sparkline,
)

if TYPE_CHECKING:
    from slope.answers.records import EpochView, StepView
    from slope.client import Client

app = typer.Typer()

Epoch = Annotated[int, typer.Argument(min=0, help="Counted from 0")]
AtEpoch = Annotated[int | None, typer.Option(min=0, help="With the parameters after this epoch [default: the last]")]
_SHOWN = 20


@app.command()
def epochs(
    job: JobId,
    points: Annotated[int, typer.Option(min=1, help="Most epochs to print; the extremes are among them")] = _SHOWN,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="All of them: .csv, .ndjson, .arrow")] = None,
    as_json: AsLines = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show the course of a job, or with --json or -o every epoch of it."""
    with connected(url) as client:
        if output is not None:
            client.save_epochs(job, output)
        elif as_json:
            print_json_lines(client.epochs(job))
        else:
            found = client.curve(job, points)
            print_rows(("epoch", "loss", "gradient norm", "validation loss", "rate"), map(_epoch, found))
            note(sparkline([each.loss for each in found], sys.stderr.encoding))


@app.command()
def steps(
    job: JobId,
    epoch: Epoch,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="All of them: .csv, .ndjson, .arrow")] = None,
    as_json: AsLines = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show the first steps of an epoch, or with --json or -o every step of it."""
    with connected(url) as client:
        if output is not None:
            client.save_steps(job, epoch, output)
        elif as_json:
            print_json_lines(client.steps(job, epoch))
        else:
            print_rows(("step", "loss", "gradient", "weights"), map(_step, islice(client.steps(job, epoch), _SHOWN)))


@app.command()
def graph(
    job: JobId,
    epoch: Epoch,
    step: Annotated[int, typer.Argument(min=0, help="Counted from 0")],
    row: Annotated[int | None, typer.Option(min=0, help="Row of the batch to show [default: its first]")] = None,
    expand: Annotated[list[int] | None, typer.Option(min=0, help="Feature to show by itself; again for more")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write: .svg, .png, .dot, .mmd, .txt, .json")
    ] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show the chain rule at work in a step of a job: values forward, gradients back."""
    chosen: dict[str, Any] = {"row": row, "expand": expand or ()}
    with connected(url) as client:
        if output is not None:
            client.save_step_graph(job, epoch, step, output, **chosen)
        elif as_json:
            print_json(client.step_graph(job, epoch, step, **chosen))
        else:
            typer.echo(client.step_tree(job, epoch, step, **chosen), nl=False)


@app.command()
def audit(
    job: JobId,
    epoch: Epoch,
    limit: Annotated[int, typer.Option(min=1, help="Rows to print")] = _SHOWN,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show which rows moved the model most in an epoch."""
    with connected(url) as client:
        found = client.audit(job, epoch, limit=limit)
    if as_json:
        print_json(found)
    else:
        names = ("row", "step", "norm", "share")
        print_rows(names, [[getattr(part, name) for name in names] for part in found.contributions])


@app.command()
def statistics(
    job: JobId,
    level: Annotated[float, typer.Option(help="With which probability the intervals hold the coefficients")] = 0.95,
    covariance: Annotated[str, typer.Option(help="nonrobust, HC0 to HC3, or cluster:<column>")] = "nonrobust",
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show how sure the exact solution is: standard errors, t, p and intervals of its coefficients."""
    with connected(url) as client:
        if as_json:
            print_json(client.statistics(job, level=level, covariance=covariance))
        else:
            typer.echo(client.statistics_table(job, level=level, covariance=covariance), nl=False)


@app.command()
def influence(
    job: JobId,
    top: Annotated[int, typer.Option(min=1, help="Rows to print")] = _SHOWN,
    by: Annotated[str, typer.Option(help="cook, leverage or studentized")] = "cook",
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show which rows hold the line."""
    with connected(url) as client:
        if as_json:
            print_json(client.influence(job, top=top, by=by))
        else:
            typer.echo(client.influence_table(job, top=top, by=by), nl=False)


@app.command()
def path(
    job: JobId,
    penalty: Annotated[str, typer.Option(help="l2, l1 or elastic_net")] = "l2",
    l1_ratio: Annotated[float | None, typer.Option(help="Of an elastic net")] = None,
    folds: Annotated[int | None, typer.Option(help="Of a cross-validation")] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show the exact solution under 100 penalties, the best by each measure marked."""
    asked: dict[str, Any] = {"penalty": penalty, "l1_ratio": l1_ratio, "folds": folds}
    with connected(url) as client:
        found = client.path(job, **{name: value for name, value in asked.items() if value is not None})
    if as_json:
        print_json(found)
        return
    names = ("l1", "l2", "degrees_of_freedom", "loss", "gcv", "cross_validation_error")
    marks = {found.best_by_gcv: "best by gcv", found.within_one_standard_error: "within one standard error"}
    marks[found.best_by_cross_validation] = "best by cross-validation"
    rows = [
        [*(getattr(point, name) for name in names), marks.get(place, "")] for place, point in enumerate(found.points)
    ]
    print_rows((*names, ""), rows)


@app.command()
def export(
    job: JobId,
    output: ModelFile = None,
    epoch: AtEpoch = None,
    mlflow: Annotated[str | None, typer.Option(help="Address of an MLflow tracking server, for the whole job")] = None,
    experiment: Annotated[str | None, typer.Option(help="Of MLflow's [default: slope]")] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Keep a job's model as a file, or the job as a run of MLflow: parameters, every epoch's metrics, and the model."""
    if output is None and mlflow is None:
        fail("Say where to: -o FILE for the model, or --mlflow ADDRESS for the job as a run of MLflow")
    found: Json = {}
    with connected(url) as client:
        if output is not None:
            client.save_model(job, output, epoch=epoch)
            note(f"The model is in {output}.")
            found["file"] = str(output)
        if mlflow is not None:
            found |= {"mlflow": mlflow, "run_id": _export_run(client, job, mlflow, experiment)}
            note(f"The job is run {found['run_id']} of MLflow at {mlflow}.")
    if as_json:
        print_json(found)


def _export_run(client: "Client", job_id: str, tracking_uri: str, experiment: str | None) -> str:
    from slope.client.mlflow_runs import EXPERIMENT, TrackingFailed, export_run

    try:
        return export_run(client, job_id, tracking_uri, experiment=experiment or EXPERIMENT)
    except (ModuleNotFoundError, TrackingFailed) as error:
        fail(str(error))


def _epoch(record: "EpochView") -> tuple[Any, ...]:
    names = ("epoch", "loss", "gradient_norm", "validation_loss", "learning_rate")
    return tuple(getattr(record, name) for name in names)


def _step(record: "StepView") -> tuple[Any, ...]:
    return record.step, record.loss, record.gradient.weights, record.weights
