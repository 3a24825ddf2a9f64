"""Looks around for what got lost, every few seconds, in every worker's main process."""

import os
import socket
from dataclasses import asdict
from threading import Event, Thread

import psutil
import structlog

from service import reaping
from service.reaping import Contact
from service.store import leases, workers
from service.store.leases import Held
from service.store.tables import Worker
from slope import __version__
from worker.memory import memory_for_training
from worker.process import Process

_LAST_ROUND_SECONDS = 3.0
"""How long the end of the worker waits for a round that is under way: the database or the broker may not answer."""

log = structlog.get_logger()


class Reaper:
    """Registers the worker, gives its sign of life, takes jobs from the dead, and rings again."""

    def __init__(self, process: Process, slots: int) -> None:
        """`slots` is how many jobs the worker trains at once."""
        self._process = process
        self._slots = slots
        self._contact = Contact(process.settings.lease_seconds, is_trusted=True)
        self._pause = min(process.settings.reap_seconds, self._contact.longest_pause)
        self._done = Event()
        self._thread = Thread(target=self._run, name="reaper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join(_LAST_ROUND_SECONDS)

    def look_around(self) -> None:
        """One round. Several reapers may do the same at once: each guard lets one of them win."""
        database, crashes = self._process.database, self._process.settings.max_crashes
        orphans = self._orphans()
        self._contact.note_answer()
        reaping.release(database, orphans, max_crashes=crashes)
        reaping.release_expired(database, self._contact, max_crashes=crashes)
        reaping.ring_again(database, self._process.queue)

    def _orphans(self) -> list[Held]:
        """Jobs of this worker whose process has died. They need not wait for their lease to expire."""
        with self._process.database.writing() as session:
            if not workers.beat(session, self._process.worker_id):
                workers.add(session, self._row())
            held = leases.held_by(session, self._process.worker_id)
            session.commit()
        living = {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}
        return [job for job in held if job.process_id not in living]

    def _row(self) -> Worker:
        return Worker(
            id=self._process.worker_id,
            hostname=socket.gethostname(),
            process_id=os.getpid(),
            version=__version__,
            devices=[asdict(device) for device in self._process.devices],
            slots=self._slots,
            memory=memory_for_training(self._process.settings, self._slots),
        )

    def _run(self) -> None:
        while not self._done.is_set():
            try:
                with self._process.between_forks():
                    self.look_around()
            except Exception as error:  # whatever it was: who would look if this thread ended?
                self._contact.lose()
                log.warning("could not look around", error=repr(error))
            self._done.wait(self._pause)
