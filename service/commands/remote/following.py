"""A job followed to its end: a bar where a terminal can show it, and a way back for whoever leaves."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from service.commands.remote.connection import INTERRUPTED
from service.commands.remote.output import Json, note, sparkline, text_of
from slope.statuses import FINAL

if TYPE_CHECKING:
    from slope.client import Client

_HELD_SECONDS = 1.0
_CURVE_SECONDS = 1.0
"""The course of the loss is asked for this often at most."""
_CURVE_POINTS = 24


def announce(job: Json) -> None:
    """Say the id first: whoever stops waiting can come back."""
    note(f"Job {job['id']} is {job['status']}.")


def follow_job(client: "Client", job_id: str) -> Json:
    """The job when it has ended. Ctrl-C leaves it, or cancels it where somebody is there to be asked."""
    with _leaving(client, job_id):
        if not sys.stderr.isatty():
            return client.wait(job_id, timeout=math.inf)
        return _watch(client, job_id)


def leave_unless_succeeded(job: Json) -> None:
    """Exit with 1 where the job came to another end."""
    if job["status"] != "succeeded":
        raise typer.Exit(1)


def _watch(client: "Client", job_id: str) -> Json:
    screen = Console(stderr=True, highlight=False)
    columns = ("{task.description}", BarColumn(), "{task.completed:.0f}/{task.total:.0f}", TimeRemainingColumn())
    texts = [TextColumn(each) if isinstance(each, str) else each for each in columns]
    last = TextColumn("loss {task.fields[loss]} {task.fields[curve]}")
    with Progress(*texts, last, console=screen, transient=True) as progress:
        job = client.job(job_id)
        task = progress.add_task(job["status"], total=job["progress"]["epochs"], loss="", curve="")
        drawn = 0.0
        while job["status"] not in FINAL:
            job = client.job(job_id, wait=_HELD_SECONDS)
            _show(progress, task, job)
            if monotonic() - drawn > _CURVE_SECONDS and job["progress"]["epochs_done"] > 1:
                drawn = monotonic()
                progress.update(task, curve=_curve(client, job_id, screen.encoding))
    return job


def _show(progress: Progress, task: TaskID, job: Json) -> None:
    loss, done = text_of(job["loss"]["last"]), job["progress"]["epochs_done"]
    progress.update(task, description=job["status"], completed=done, loss=loss)


def _curve(client: "Client", job_id: str, encoding: str) -> str:
    return sparkline([epoch["loss"] for epoch in client.curve(job_id, _CURVE_POINTS)], encoding)


@contextmanager
def _leaving(client: "Client", job_id: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        if sys.stdin.isatty() and sys.stderr.isatty() and typer.confirm("Cancel the job?", default=False, err=True):
            client.cancel(job_id)
            note(f"Job {job_id} is being cancelled.")
        else:
            note(f"Job {job_id} goes on. Come back by: slope jobs watch {job_id}")
        raise typer.Exit(INTERRUPTED) from None
