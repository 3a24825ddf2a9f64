"""Finds jobs whose process is gone, every few seconds, in every worker's main process."""

import os
import socket
from dataclasses import asdict

import psutil

from service.store import workers
from service.store.counts import Count
from service.store.leases import lost_leases
from service.store.leases.lost_leases import RunningJob
from service.store.tables import Worker
from service.upkeep import lost_jobs
from service.upkeep.lost_jobs import Contact
from slope import __version__
from worker.counts import sum_counts
from worker.process import Process, memory_for_training
from worker.upkeep.broker_monitor import BrokerMonitor
from worker.upkeep.periodic import PeriodicTask


class Reaper:
    """Registers the worker, gives its sign of life, takes jobs from processes that died, and signs off.

    It never waits for the broker: a worker that hears nothing lives all the same.
    """

    def __init__(self, process: Process, slots: int, monitor: BrokerMonitor) -> None:
        """`slots` is how many jobs the worker trains at the same time."""
        self._process = process
        self._slots = slots
        self._monitor = monitor
        self._contact = Contact(process.settings.lease_seconds, is_trusted=True)
        pause = min(process.settings.reap_seconds, self._contact.longest_pause)
        self._task = PeriodicTask("reaper", self._run, pause, at_end=self._sign_off)

    def start(self) -> None:
        self._task.start()

    def stop(self, seconds: float) -> None:
        """Sign off, if the database answers within this many seconds. Otherwise others notice its silence."""
        self._task.stop(seconds)

    def run_once(self) -> None:
        """Take what is lost. Several reapers may do so at the same time: each guard lets one of them win."""
        database, crashes = self._process.database, self._process.settings.max_crashes
        orphans = self._orphans()
        self._contact.note_answer()
        released = lost_jobs.release_jobs(database, orphans, max_crashes=crashes)
        released += lost_jobs.release_expired(database, self._contact, max_crashes=crashes)
        if released:
            self._process.counts[Count.RELEASED] += len(released)
            self._monitor.check_soon()

    def _orphans(self) -> list[RunningJob]:
        """Jobs of this worker whose process has died. They need not wait for their lease to expire."""
        with self._process.database.writing() as session:
            self._contact.note_answer()  # as often as there is one: the database may be far away
            hears, counts = self._monitor.hears_broker, sum_counts(self._process.counts)
            if not workers.touch_worker(session, self._process.worker_id, hears=hears, counts=counts):
                workers.add_worker(session, self._row())
            running = lost_leases.jobs_of_worker(session, self._process.worker_id)
            session.commit()
        living = {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}
        return [job for job in running if job.process_id not in living]

    def _row(self) -> Worker:
        return Worker(
            id=self._process.worker_id,
            hostname=socket.gethostname(),
            process_id=os.getpid(),
            version=__version__,
            devices=[asdict(device) for device in self._process.devices],
            slots=self._slots,
            memory=memory_for_training(self._process.settings, self._slots),
            hears_broker=self._monitor.hears_broker,
        )

    def _run(self) -> None:
        try:
            with self._process.between_forks():
                self.run_once()
        except Exception:
            self._contact.lose()
            raise

    def _sign_off(self) -> None:
        with self._process.between_forks(), self._process.database.writing() as session:
            workers.stop_worker(session, self._process.worker_id)
            session.commit()
