"""The statuses of a job, and which of them are final."""

from typing import Literal, get_args

JobStatus = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]
STATUSES: tuple[JobStatus, ...] = get_args(JobStatus)
FINAL: tuple[JobStatus, ...] = ("succeeded", "failed", "cancelled")
"""A job with one of these changes no more."""
OPEN: tuple[JobStatus, ...] = tuple(status for status in STATUSES if status not in FINAL)
