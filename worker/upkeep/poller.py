"""A training process that looks for queued jobs in SQL itself, while its worker hears no bells."""

from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any

import structlog

from service.store.jobs import bells
from service.store.leases import passes
from worker.process import Process
from worker.tasks import take_work

_PERIODS = 3
"""The main process wakes the poller once a period; after this many without a call it stops looking."""
_CHOICE = 16
"""Jobs to choose from: others choose among the same ones, and whoever is late takes the next."""

log = structlog.get_logger()


class JobPoller:
    """A thread of a training process that sleeps until it is woken. The process trains one job at a time all the same.

    Celery hands out nothing while its broker is away: its main process is waiting for a connection.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._calls = SimpleQueue[None]()  # a handler of signals may put into it, whatever it interrupts
        self._thread = Thread(target=self._run, name="poller", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self, *_: Any) -> None:
        """Poll soon. Handles a signal."""
        if self._calls.empty():
            self._calls.put(None)

    def poll(self) -> None:
        """Train queued jobs, one after the other, until there is none or the call was long ago."""
        until = monotonic() + _PERIODS * self._process.settings.reap_seconds
        while self._train_one() and monotonic() < until:
            pass

    def _train_one(self) -> bool:
        """Whether there was a job to be had."""
        process = self._process
        with process.training_lock:
            if process.stopping.is_set():
                return False
            with process.database.reading() as session:
                queued = bells.queued_jobs(session, process.requests_served, limit=_CHOICE)
                queued += passes.open_passes(session, limit=_CHOICE)
            return any(take_work(process, job_id) for job_id in queued)

    def _run(self) -> None:
        while True:
            self._calls.get()
            try:
                self.poll()
            except Exception as error:  # it is woken again
                log.warning("could not look for jobs", error=repr(error))
