"""The end of the worker's main process: in time, whatever it waits for."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from time import sleep

import psutil
import structlog

STOP = signal.SIGUSR2
"""Tells a child to put its job back."""
_ASKED = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
_GRACE_SECONDS = 5.0
"""How long the process waits for Celery, which may be waiting for the broker, the database or the storage."""

log = structlog.get_logger()
os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))  # a child's signals are not its parent's


class ShutdownGuard:
    """Notices in a thread of its own that the process was asked to end, and makes sure that it does.

    A handler of the signal alone would not do: it runs when the main thread comes back from where it waits.
    """

    def __init__(self, at_end: Callable[[], None]) -> None:
        """`at_end` is done before the process ends by force. Otherwise Celery ends it, and has done so before."""
        self._at_end = at_end
        self._signals, end = os.pipe()
        os.set_blocking(end, False)
        signal.set_wakeup_fd(end, warn_on_full_buffer=False)
        self._thread = Thread(target=self._run, name="shutdown", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        while not _ASKED & set(os.read(self._signals, 64)):
            pass
        stop_children()
        sleep(_GRACE_SECONDS)
        log.warning("the worker ends by force: something that it waits for does not answer")
        self._at_end()
        os._exit(os.EX_OK)


def stop_children() -> None:
    """Let running jobs be put back; the worker then ends as soon as its tasks have."""
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            child.send_signal(STOP)
