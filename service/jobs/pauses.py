"""Pausing and resuming jobs: the decisions and the commits."""

from uuid import UUID

from service.errors import JobIsFinal, JobIsNotPaused, JobIsToBeCancelled
from service.jobs.jobs import Check, check_job, forget_rings, get_job
from service.queue import Queue
from service.store.database import Database
from service.store.jobs import jobs, pauses


def pause_job(database: Database, job_id: UUID, check: Check | None = None) -> None:
    """Pause a waiting job now, or ask the worker of a running one to give it back at its next flush.

    Raises JobNotFound, JobHasChanged, JobIsFinal and JobIsToBeCancelled. A paused job stays as it is.
    """
    with database.writing() as session:
        jobs.lock_job(session, job_id)
        check_job(session, job_id, check)
        if not (pauses.pause_queued(session, job_id) or pauses.ask_to_pause(session, job_id)):
            job = get_job(session, job_id)
            if job.is_final:
                raise JobIsFinal(job.status, "pause")
            if job.cancel_requested:
                raise JobIsToBeCancelled
        session.commit()


def resume_job(database: Database, queue: Queue, job_id: UUID, check: Check | None = None) -> None:
    """Put a paused job into the queue and wake a worker, or take back what was asked of a running job's worker.

    Raises JobNotFound, JobHasChanged, JobIsFinal and JobIsNotPaused.
    """
    with database.writing() as session:
        jobs.lock_job(session, job_id)
        check_job(session, job_id, check)
        is_queued, job = pauses.resume_paused(session, job_id), get_job(session, job_id)
        if not (is_queued or pauses.take_back_pause(session, job_id)):
            raise JobIsFinal(job.status, "resume") if job.is_final else JobIsNotPaused(job.status)
        device = job.device
        session.commit()  # before the bell: the worker must find it in the queue
    if is_queued and not queue.ring(job_id, device):
        forget_rings(database, [job_id])
