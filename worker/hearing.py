"""Whether bells reach this worker: rings again for those that got lost, and does without where none comes through."""

import signal
from collections.abc import Callable
from contextlib import suppress

import psutil
import structlog

from service.upkeep import lost_jobs
from worker.process import Process
from worker.rounds import Rounds

CALL = signal.SIGURG
"""Tells a child to look for jobs in SQL. One that cannot hear it yet ignores it, as it does by default."""
_MISSES = 2
"""After this many rounds without the broker, one after the other, the worker counts as deaf."""

log = structlog.get_logger()


class Hearing:
    """Asks the broker in every round, in a thread of its own: the answer may take seconds."""

    def __init__(self, process: Process, is_connected: Callable[[], bool]) -> None:
        """`is_connected` tells whether the worker's consumer of bells has a connection."""
        self._process = process
        self._is_connected = is_connected
        self._misses = 0
        self._rounds = Rounds("hearing", self.look_around, process.settings.reap_seconds)

    @property
    def hears(self) -> bool:
        return self._misses < _MISSES

    def start(self) -> None:
        self._rounds.start()

    def hurry(self) -> None:
        """Ring immediately for what a reaper has put back."""
        self._rounds.hurry()

    def stop(self, seconds: float) -> None:
        self._rounds.stop(seconds)

    def look_around(self) -> None:
        """One round."""
        can_ring = self._process.queue.is_reachable()
        self._note(can_ring and self._is_connected())
        if not self.hears:
            self._call_children()
        if can_ring:
            with self._process.between_forks():
                lost_jobs.ring_again(self._process.database, self._process.queue)

    def _note(self, has_heard: bool) -> None:
        heard_before = self.hears
        self._misses = 0 if has_heard else self._misses + 1
        if heard_before and not self.hears:
            log.warning("the broker is away: queued jobs are looked for in the database")
        elif self.hears and not heard_before:
            log.info("the broker is back")

    def _call_children(self) -> None:
        for child in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):
                child.send_signal(CALL)
