"""Answers that are held back until a job changes, or ends."""

import asyncio
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from service import jobs
from service.api.watch import JobWatch
from service.store.database import Database
from service.store.tables import Job


async def current(database: Database, job_id: UUID) -> tuple[Job, str | None]:
    """The job, and why it waits if it does."""
    return await run_in_threadpool(_read, database, job_id)


async def until_final(database: Database, watch: JobWatch, job_id: UUID, seconds: float) -> tuple[Job, str | None]:
    """The job when it has ended, or as it stands when time is up."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        job, reason = await current(database, job_id)
        left = deadline - asyncio.get_running_loop().time()
        if job.is_final or left <= 0 or watch.closing.is_set():
            return job, reason
        await watch.changed(job_id, job.version, left)


async def until_changed(database: Database, watch: JobWatch, job: Job, seconds: float) -> tuple[Job, str | None]:
    """The job when it is no longer what it was, or when time is up. A job that has ended changes no more."""
    if not job.is_final and seconds > 0:
        await watch.changed(job.id, job.version, seconds)
    return await current(database, job.id)


def _read(database: Database, job_id: UUID) -> tuple[Job, str | None]:
    with database.reading() as session:
        job = jobs.get(session, job_id)
        return job, jobs.reason(session, job)
