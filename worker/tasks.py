"""The task: a bell rang for a job. Train it, help whoever trains it, or find that there is nothing to do."""

from uuid import UUID

import structlog

from service.errors import DatabaseUnavailable, SchemaMissing, StorageFull
from service.queue import TASK
from worker.app import app
from worker.process import current_process
from worker.work import take_work

log = structlog.get_logger()


@app.task(name=TASK)
def train(job_id: str) -> None:
    """Train a job, if it is still to be had. Everything but the id comes from SQL: a message proves nothing."""
    try:
        named = UUID(job_id)
    except ValueError:
        log.warning("a bell for no job", job_id=job_id)
        return
    process = current_process()
    with process.training_lock:
        try:
            take_work(process, named)
        except (DatabaseUnavailable, SchemaMissing, StorageFull) as error:  # the reaper rings again
            log.warning("the database is away: the bell is let go", job_id=job_id, error=str(error))
