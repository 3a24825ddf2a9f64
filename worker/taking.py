"""Taking a job that is queued, or the jobs of its group, and training them."""

import os
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from service.store import group_leases, leases
from service.store.group_leases import GroupClaim
from service.store.leases import Claim
from worker.attempt import attempt
from worker.group_attempt import attempt_group
from worker.process import Process

Taken = TypeVar("Taken", Claim, GroupClaim)


def take(process: Process, job_id: UUID) -> bool:
    """Train a job, or its group, to the end of the attempt. False when it was not to be had."""
    if mine := _claim(process, job_id, leases.claim):
        attempt(process, mine)
        return True
    if ours := _claim(process, job_id, group_leases.claim):
        attempt_group(process, ours)
        return True
    return False


def _claim(process: Process, job_id: UUID, claim: Callable[..., Taken | None]) -> Taken | None:
    with process.database.writing() as session:
        taken = claim(
            session,
            job_id,
            worker_id=process.worker_id,
            process_id=os.getpid(),
            devices=process.requests_served,
            lease_seconds=process.settings.lease_seconds,
        )
        session.commit()
    return taken
