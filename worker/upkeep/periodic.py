"""Something that is done every few seconds, in a thread of its own."""

from collections.abc import Callable
from threading import Event, Thread

import structlog

log = structlog.get_logger()


class PeriodicTask:
    """Does something again and again until it is stopped, whatever goes wrong, and something else at the end."""

    def __init__(
        self, name: str, action: Callable[[], None], pause: float, *, at_end: Callable[[], None] = lambda: None
    ) -> None:
        """`pause` is the seconds between the end of one run and the begin of the next."""
        self._name = name
        self._action = action
        self._pause = pause
        self._at_end = at_end
        self._is_stopped = False
        self._next = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def run_soon(self) -> None:
        """Do not wait for the next run."""
        self._next.set()

    def stop(self, seconds: float) -> None:
        """Begin no more runs. Wait at most this long for the one that is under way, and for `at_end`."""
        self._is_stopped = True
        self._next.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._is_stopped:
            self._next.clear()
            self._try(self._action)
            if not self._is_stopped:
                self._next.wait(self._pause)
        self._try(self._at_end)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # whatever it was: without this thread nobody would do it again
            log.warning("a periodic task failed; it runs again", task=self._name, error=repr(error))
