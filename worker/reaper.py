"""Finds what got lost: bells that nobody heard, and jobs whose worker is gone. Runs in every worker's main process."""

from threading import Event, Thread
from uuid import UUID

import psutil
import structlog
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from service.queue import CeleryQueue
from service.store import jobs, workers
from service.store.jobs import Held
from worker.process import Process

_SILENT_SECONDS = 3.0
"""A bell that was rung this long ago and is in no queue has been lost."""
_MOST_BELLS = 1000

log = structlog.get_logger()


class Reaper:
    """Gives the worker's sign of life and looks around, every few seconds."""

    def __init__(self, process: Process, queue: CeleryQueue) -> None:
        self._process = process
        self._queue = queue
        self._done = Event()
        self._thread = Thread(target=self._run, name="reaper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def look_around(self) -> None:
        """One round. Several reapers may do the same at once: each guard lets one of them win."""
        with self._process.database.writing() as session:
            workers.beat(session, self._process.worker_id)
            held = jobs.held_by(session, self._process.worker_id)
            for lost in [*jobs.expired(session), *filter(_is_dead, held)]:
                if jobs.release_lost(session, lost, self._process.settings.max_crashes):
                    log.warning("took a job from a lost worker", job_id=str(lost.claim.job_id))
            session.commit()
        self._ring_again()

    def _ring_again(self) -> None:
        with self._process.database.reading() as session:
            waiting = jobs.to_ring(session, silent_seconds=_SILENT_SECONDS, limit=_MOST_BELLS)
        for device in sorted({device for _, device in waiting}):
            if self._queue.waiting(device) == 0:
                self._ring([job_id for job_id, wanted in waiting if wanted == device], device)

    def _ring(self, job_ids: list[UUID], device: str) -> None:
        rung = [job_id for job_id in job_ids if self._queue.ring(job_id, device)]
        with self._process.database.writing() as session:
            jobs.note_ring(session, rung, heard=True)
            session.commit()

    def _run(self) -> None:
        while not self._done.wait(self._process.settings.reap_seconds):
            try:
                self.look_around()
            except (SQLAlchemyError, BrokerError, RedisError) as error:
                log.warning("could not look around", error=str(error))


def _is_dead(held: Held) -> bool:
    """Whether the process of one of this worker's own jobs is gone."""
    return not psutil.pid_exists(held.process_id)
