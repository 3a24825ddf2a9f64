"""The task: a bell rang for a job. Claim it and train it, help whoever has it, or find that there is nothing to do."""

import os
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from service.queue import TASK
from service.store import group_leases, leases
from service.store.group_leases import GroupClaim
from service.store.leases import Claim
from worker.app import app
from worker.attempt import attempt
from worker.devices import requests_served
from worker.group_attempt import attempt_group
from worker.partitions import help_reduce
from worker.process import Process, current

Taken = TypeVar("Taken", Claim, GroupClaim)

log = structlog.get_logger()


@app.task(name=TASK)
def train(job_id: str) -> None:
    """Train a job, if it is still to be had. Everything but the id comes from SQL: a message proves nothing."""
    process = current()
    try:
        claim = _claim(process, UUID(job_id), leases.claim) or _claim(process, UUID(job_id), group_leases.claim)
    except ValueError:
        log.warning("a bell for no job", job_id=job_id)
    except (OperationalError, InterfaceError) as error:  # the reaper rings again
        log.warning("the database is away: the bell is let go", job_id=job_id, error=str(error.orig))
    else:
        if isinstance(claim, Claim):
            attempt(process, claim)
        elif claim:
            attempt_group(process, claim)
        else:
            help_reduce(process, UUID(job_id))


def _claim(process: Process, job_id: UUID, take: Callable[..., Taken | None]) -> Taken | None:
    with process.database.writing() as session:
        claim = take(
            session,
            job_id,
            worker_id=process.worker_id,
            process_id=os.getpid(),
            devices=requests_served(process.devices),
            lease_seconds=process.settings.lease_seconds,
        )
        session.commit()
    return claim
