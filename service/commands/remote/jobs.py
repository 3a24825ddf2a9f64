"""`slope jobs`: what is done with jobs that a service has."""

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from service.commands.remote.connection import DEFAULT_URL, Url, connected, fail
from service.commands.remote.following import announce, follow_job, leave_unless_succeeded
from service.commands.remote.output import (
    AsJson,
    AsLines,
    Json,
    age_of,
    note,
    print_json,
    print_json_lines,
    print_rows,
)
from service.commands.remote.printed_job import print_job
from service.commands.remote.requests import Settings, read_settings
from service.commands.spans import Age
from slope.spec.names import counted

if TYPE_CHECKING:
    from slope.answers.jobs import JobView

app = typer.Typer(help="Jobs: list, follow, change, delete.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id")]
JobIds = Annotated[list[str], typer.Argument(metavar="ID…", help="Their ids")]
Status = Annotated[
    list[str] | None, typer.Option(help="queued, running, paused, succeeded, failed or cancelled; again for more")
]


@app.command("list")
def list_jobs(
    status: Status = None,
    q: Annotated[str | None, typer.Option("--query", "-q", help="Words of the name or the metadata")] = None,
    sort: Annotated[
        str, typer.Option(help="created, finished, loss, validation or seconds; - before it for descending")
    ] = "-created",
    limit: Annotated[int, typer.Option(min=1, help="Most jobs to print")] = 20,
    as_json: AsLines = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List jobs, the newest first."""
    filters: dict[str, Any] = {"sort": sort, "status": status, "q": q, "limit": str(min(limit, 1000))}
    with connected(url) as client:
        found = list(islice(client.jobs(**{name: value for name, value in filters.items() if value}), limit))
    if as_json:
        print_json_lines(found)
    else:
        print_rows(("id", "status", "name", "epochs", "loss", "age"), map(_row, found))


@app.command()
def show(job: JobId, as_json: AsJson = False, url: Url = DEFAULT_URL) -> None:
    """Show a job as it stands."""
    with connected(url) as client:
        found = client.job(job)
    print_json(found) if as_json else print_job(found)


@app.command()
def watch(job: JobId, as_json: AsJson = False, url: Url = DEFAULT_URL) -> None:
    """Follow a job to its end, and show what came of it."""
    with connected(url) as client:
        found = follow_job(client, job)
    print_json(found) if as_json else print_job(found)
    leave_unless_succeeded(found)


@app.command()
def cancel(jobs: JobIds, as_json: AsLines = False, url: Url = DEFAULT_URL) -> None:
    """Cancel jobs: immediately while they wait, within a second while they run."""
    _change(jobs, "cancel", as_json, url)


@app.command()
def pause(jobs: JobIds, as_json: AsLines = False, url: Url = DEFAULT_URL) -> None:
    """Pause jobs: immediately while they wait, within a second while they run."""
    _change(jobs, "pause", as_json, url)


@app.command()
def resume(jobs: JobIds, as_json: AsLines = False, url: Url = DEFAULT_URL) -> None:
    """Let paused jobs go on where they were."""
    _change(jobs, "resume", as_json, url)


def _change(jobs: list[str], call: Literal["cancel", "pause", "resume"], as_json: bool, url: str) -> None:
    with connected(url) as client:
        for job_id in jobs:
            job = getattr(client, call)(job_id)
            if as_json:
                print_json_lines([job])
            elif job.status == "running" and call != "resume":
                note(f"Job {job.id} runs, and is to {call} within a second.")
            else:
                announce(job)


@app.command()
def rerun(
    job: JobId,
    settings: Settings = None,
    name: Annotated[str | None, typer.Option(help="What to call the new job")] = None,
    wait: Annotated[bool, typer.Option(help="Follow the new job to its end")] = True,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Train a job again as a new one, with changes."""
    patch: Json = {"hyperparameters": read_settings(settings)} | ({"name": name} if name else {})
    with connected(url) as client:
        found = client.rerun(job, patch)
        announce(found)
        found = follow_job(client, found.id) if wait else found
    print_json(found) if as_json else print_job(found)
    if wait:
        leave_unless_succeeded(found)


@app.command()
def delete(jobs: JobIds, url: Url = DEFAULT_URL) -> None:
    """Delete jobs that do not run, with all their records."""
    with connected(url) as client:
        for job_id in jobs:
            client.delete(job_id)
            note(f"Job {job_id} is deleted.")


@app.command()
def alias(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="What to call a job")] = None,
    job: Annotated[str | None, typer.Argument(metavar="[ID]", help="The job's id")] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Let the name stand for nothing")] = False,
    as_json: AsLines = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Call a job by a name, which then stands for its id in every command; without a name, list all."""
    with connected(url) as client:
        if name is None:
            found = list(client.aliases())
        elif delete:
            client.delete_alias(name)
            note(f"{name} stands for no job any more.")
            return
        elif job is None:
            fail(f"Say which job {name} is to stand for: slope jobs alias {name} ID; or --delete it")
        else:
            found = [client.put_alias(name, client.job(job).id)]
    if as_json:
        print_json_lines(found)
    else:
        print_rows(("alias", "job", "age"), ((each.name, each.job, age_of(each.changed_at)) for each in found))


@app.command()
def prune(
    older_than: Age,
    status: Status = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many there are")] = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Delete jobs that ended long ago, with all their records."""
    filters: Json = {"finished_before": (datetime.now(UTC) - older_than).isoformat()}
    if status:
        filters["status"] = status
    with connected(url) as client:
        deleted = client.delete_jobs(dry_run=dry_run, **filters)
        while not dry_run and deleted.remaining and deleted.jobs:
            more = client.delete_jobs(**filters)
            deleted = more.model_copy(update={"jobs": deleted.jobs + more.jobs, "matched": deleted.matched})
    if as_json:
        print_json(deleted)
    elif dry_run:
        note(f"Would delete {counted(deleted.matched, 'job')}.")
    else:
        note(f"Deleted {counted(len(deleted.jobs), 'job')}.")


def _row(job: "JobView") -> tuple[Any, ...]:
    epochs = f"{job.progress.epochs_done}/{job.progress.epochs}"
    return job.id, job.status, job.name, epochs, job.loss.last, age_of(job.created_at)
