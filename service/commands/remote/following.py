"""A job followed to its end: a bar where a terminal can show it, and a way back for whoever leaves."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console, Group
from rich.live import Live

from service.commands.remote.connection import INTERRUPTED
from service.commands.remote.output import note, sparkline, table_of
from slope.statuses import FINAL

if TYPE_CHECKING:
    from uuid import UUID

    from slope.answers.jobs import JobView
    from slope.answers.sweeps import RankedSweepView
    from slope.client import Client

_HELD_SECONDS = 1.0
_CURVE_SECONDS = 1.0
"""The course of the loss is asked for this often at most."""
_CURVE_POINTS = 24
RANKED = ("job", "loss", "validation", "cross-validation", "settings")
"""Columns of `ranked_rows`."""


def announce(job: "JobView") -> None:
    """Say the id first: whoever stops waiting can come back."""
    note(f"Job {job.id} is {job.status}.")


def follow_job(client: "Client", job_id: "UUID | str") -> "JobView":
    """The job when it has ended. Ctrl-C leaves it, or cancels it where somebody is there to be asked."""
    with _leaving(client, job_id):
        if not sys.stderr.isatty():
            return client.wait(job_id, timeout=math.inf)
        return _watch(client, job_id)


def follow_sweep(client: "Client", sweep_id: "UUID", best: int) -> "RankedSweepView":
    """The sweep when all its jobs have ended. In a terminal its best settings are shown as they come."""
    if not sys.stderr.isatty():
        return client.wait_for_sweep(sweep_id, timeout=math.inf)
    with Live(console=Console(stderr=True, highlight=False), transient=True) as screen:
        return client.wait_for_sweep(
            sweep_id, timeout=math.inf, on_look=lambda found: screen.update(_as_it_stands(found, best))
        )


def ranked_rows(sweep: "RankedSweepView", best: int) -> list[tuple[Any, ...]]:
    """The best settings of a sweep, the best first."""
    ranked = sweep.ranking.data[:best]
    return [
        (each.job_id, each.loss.last, each.loss.validation, each.loss.cross_validation, each.settings)
        for each in ranked
    ]


def _as_it_stands(sweep: "RankedSweepView", best: int) -> Group:
    progress = sweep.progress
    said = (
        f"{progress.jobs_ended} of {progress.jobs} jobs have ended, {progress.epochs_done} of {progress.epochs} epochs"
    )
    return Group(said, table_of(RANKED, ranked_rows(sweep, best)))


def leave_unless_succeeded(job: "JobView") -> None:
    """Exit with 1 where the job came to another end."""
    if job.status != "succeeded":
        raise typer.Exit(1)


def _watch(client: "Client", job_id: "UUID | str") -> "JobView":
    from slope.client.history.progress import JobBar

    screen = Console(stderr=True, highlight=False)
    with JobBar(screen) as bar:
        job, drawn = client.job(job_id), 0.0
        bar.show(job)
        while job.status not in FINAL:
            job = client.job(job_id, wait=_HELD_SECONDS)
            bar.show(job)
            if monotonic() - drawn > _CURVE_SECONDS and job.progress.epochs_done > 1:
                drawn = monotonic()
                bar.say(sparkline([epoch.loss for epoch in client.curve(job_id, _CURVE_POINTS)], screen.encoding))
    return job


@contextmanager
def _leaving(client: "Client", job_id: "UUID | str") -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        if sys.stdin.isatty() and sys.stderr.isatty() and typer.confirm("Cancel the job?", default=False, err=True):
            client.cancel(job_id)
            note(f"Job {job_id} is being cancelled.")
        else:
            note(f"Job {job_id} goes on. Come back by: slope jobs watch {job_id}")
        raise typer.Exit(INTERRUPTED) from None
