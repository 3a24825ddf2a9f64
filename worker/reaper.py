"""Looks around for what got lost, every few seconds, in every worker's main process."""

from threading import Event, Thread

import psutil
import structlog
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from service import reaping
from service.queue import Queue
from service.store import jobs, workers
from service.store.jobs import Held
from worker.process import Process

log = structlog.get_logger()


class Reaper:
    """Gives the worker's sign of life, takes jobs from the dead, and rings again."""

    def __init__(self, process: Process, queue: Queue) -> None:
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
        database, settings = self._process.database, self._process.settings
        lost = [*self._orphans(), *reaping.expired(database)]
        reaping.release(database, lost, max_crashes=settings.max_crashes)
        reaping.ring_again(database, self._queue)

    def _orphans(self) -> list[Held]:
        """Jobs of this worker whose process has died. They need not wait for their lease to expire."""
        with self._process.database.writing() as session:
            workers.beat(session, self._process.worker_id)
            held = jobs.held_by(session, self._process.worker_id)
            session.commit()
        living = {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}
        return [job for job in held if job.process_id not in living]

    def _run(self) -> None:
        while not self._done.wait(self._process.settings.reap_seconds):
            try:
                self.look_around()
            except (SQLAlchemyError, BrokerError, RedisError, psutil.NoSuchProcess) as error:
                log.warning("could not look around", error=str(error))
