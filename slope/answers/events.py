"""Answers about what happened to a job."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from slope.answers.jobs import ProgressView
from slope.answers.view import View
from slope.statuses import JobStatus


class ProgressEventView(View):
    """How far a job is, at that moment."""

    status: JobStatus
    """The job's."""
    progress: ProgressView
    """How far it is."""
    loss: float | None
    """Of its last epoch so far."""


class EventView(View):
    seq: int
    """Counts the job's events from 1."""
    kind: Literal["status", "warning"] = Field(examples=["status"])
    """A change of the status, or a warning."""
    level: Literal["info", "warning", "error"]
    """How bad it is."""
    code: str | None
    """What kind of warning, for programs."""
    at: datetime
    """When it happened."""
    epochs_done: int
    """How many epochs the job had behind it."""
    status: JobStatus | None
    """The new one, of a change of status."""
    detail: str | None
    """In words."""
