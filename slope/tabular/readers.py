"""The processes that read files: each reads one, and is ended. The next one waits, forked, for whoever comes.

To fork a process that has everything loaded takes some milliseconds, as long as to read a small table.
"""

import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")

_ENDING_SECONDS = 5.0
_processes = get_context("forkserver")
_processes.set_forkserver_preload(["slope.tabular.ingest", "slope.tabular.isolated", "slope.tabular.frozen"])


class Silent(Exception):
    """Raised where a reader says nothing in time."""


class Ended(Exception):
    """Raised where a reader ends before it has answered; `signal` is what ended it, if one did."""

    def __init__(self, signal: int | None) -> None:
        super().__init__(signal)
        self.signal = signal


class Reader(Generic[Task]):
    """A process that waits for one task."""

    def __init__(self, work: Callable[[Task], Any]) -> None:
        self._connection, theirs = _processes.Pipe()
        self._process = _processes.Process(target=_wait, args=(theirs, work), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def do(self, task: Task, seconds: float) -> Any:
        """What the work came to. Raises Silent and Ended, and leaves no process in any case."""
        try:
            self._connection.send(task)
            if not self._connection.poll(seconds):
                raise Silent
            return self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.join(_ENDING_SECONDS)
            code = self._process.exitcode
            raise Ended(-code if code and code < 0 else None) from error
        finally:
            self.end()

    def end(self) -> None:
        """Nobody waits until its memory is given back."""
        self._process.kill()
        self._connection.close()

    def join(self) -> None:
        """Wait until it is gone."""
        self._process.join()


class Readers(Generic[Task]):
    """Of one kind of work, with one reader that waits for the next task."""

    def __init__(self, work: Callable[[Task], Any]) -> None:
        self._work = work
        self._waiting: SimpleQueue[Reader[Task]] = SimpleQueue()
        self._lock = Lock()

    def take(self) -> Reader[Task]:
        """One that nobody else has."""
        with suppress(Empty):
            while not (waiting := self._waiting.get_nowait()).is_alive:
                waiting.end()
            return waiting
        return self._new()

    def prepare(self) -> None:
        """Have one waiting, by and by."""
        Thread(target=self._prepare, name="reader", daemon=True).start()

    def _prepare(self) -> None:
        with self._lock, suppress(OSError, RuntimeError):  # then whoever comes next starts one, and hears why not
            if self._waiting.empty():
                self._waiting.put(self._new())

    def _new(self) -> Reader[Task]:
        return Reader(self._work)


def _wait(connection: Connection, work: Callable[[Any], Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started it
    with suppress(EOFError):  # whoever started it is gone
        connection.send(work(connection.recv()))
