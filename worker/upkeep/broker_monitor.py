"""Whether bells reach this worker: rings again for those that got lost, and does without where none comes through."""

import signal
from collections.abc import Callable
from contextlib import suppress

import psutil
import structlog

from service.store.counts import Count
from service.upkeep import lost_jobs
from worker.process import Process
from worker.upkeep.periodic import PeriodicTask

POLL = signal.SIGURG
"""Tells a child to look for jobs in SQL. One that does not handle it yet ignores it, as it does by default."""
_MISSES = 2
"""After this many checks in a row without the broker, the worker does without bells."""

log = structlog.get_logger()


class BrokerMonitor:
    """Asks the broker every few seconds, in a thread of its own: the answer may take seconds."""

    def __init__(self, process: Process, is_connected: Callable[[], bool]) -> None:
        """`is_connected` tells whether the worker's consumer of bells has a connection."""
        self._process = process
        self._is_connected = is_connected
        self._misses = 0
        self._task = PeriodicTask("broker monitor", self.run_once, process.settings.reap_seconds)

    @property
    def hears_broker(self) -> bool:
        return self._misses < _MISSES

    def start(self) -> None:
        self._task.start()

    def check_soon(self) -> None:
        """Ring immediately for what a reaper has put back."""
        self._task.run_soon()

    def stop(self, seconds: float) -> None:
        self._task.stop(seconds)

    def run_once(self) -> None:
        """Ask once. Without the broker the children poll; with it, lost bells are rung again."""
        can_ring = self._process.queue.is_reachable()
        self._note(can_ring and self._is_connected())
        if not self.hears_broker:
            self._wake_pollers()
        if can_ring:
            with self._process.between_forks():
                rung = lost_jobs.ring_again(self._process.database, self._process.queue)
                rung += lost_jobs.ring_for_passes(self._process.database, self._process.queue)
            self._process.counts[Count.RUNG_AGAIN] += len(rung)

    def _note(self, has_heard: bool) -> None:
        heard_before = self.hears_broker
        self._misses = 0 if has_heard else self._misses + 1
        if heard_before and not self.hears_broker:
            log.warning("the broker is away: queued jobs are looked for in the database")
        elif self.hears_broker and not heard_before:
            log.info("the broker is back")

    def _wake_pollers(self) -> None:
        for child in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):
                child.send_signal(POLL)
