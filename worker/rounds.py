"""Something that is done every few seconds, in a thread of its own."""

from collections.abc import Callable
from threading import Event, Thread

import structlog

log = structlog.get_logger()


class Rounds:
    """Does something again and again until it is stopped, whatever goes wrong, and something else at the end."""

    def __init__(
        self, name: str, action: Callable[[], None], pause: float, *, at_end: Callable[[], None] = lambda: None
    ) -> None:
        """`pause` is the seconds between two rounds."""
        self._name = name
        self._action = action
        self._pause = pause
        self._at_end = at_end
        self._is_done = False
        self._next = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hurry(self) -> None:
        """Let the next round come at once."""
        self._next.set()

    def stop(self, seconds: float) -> None:
        """Do no more rounds. Wait at most this long for the one that is under way, and for `at_end`."""
        self._is_done = True
        self._next.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._is_done:
            self._next.clear()
            self._try(self._action)
            if not self._is_done:
                self._next.wait(self._pause)
        self._try(self._at_end)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # whatever it was: who would look if this thread ended?
            log.warning("could not look around", looker=self._name, error=repr(error))
