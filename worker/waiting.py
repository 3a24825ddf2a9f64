"""Waiting for a database or a storage that is away, and training on while a slow one writes.

Whoever waits goes on where it was, for its token holds.
"""

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from threading import Event, Thread
from time import monotonic
from typing import Generic, TypeVar

import structlog
from sqlalchemy.orm import Session

from service.errors import DatabaseUnavailable, SchemaMissing, StorageUnavailable
from service.store.database import Database

Result = TypeVar("Result")

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
_SLOW = 0.1
"""Seconds. After a write that took longer, training does not wait for the next."""

log = structlog.get_logger()


class ProcessStopping(Exception):
    """The process was asked to end while it waited."""


def retry_while_away(action: Callable[[], Result], stopping: Event) -> Result:
    """Do something as soon as the database and the storage answer.

    Raises ProcessStopping, and StorageFull immediately: no waiting makes room.
    """
    pause = _FIRST_PAUSE
    while True:
        try:
            return action()
        except (DatabaseUnavailable, SchemaMissing) as error:
            log.warning("the database is away", error=str(error), next_try_in=pause)
        except StorageUnavailable as error:
            log.warning("the storage is away", error=repr(error.__cause__), next_try_in=pause)
        if stopping.wait(pause):
            raise ProcessStopping
        pause = min(2 * pause, _LONGEST_PAUSE)


def write_when_possible(database: Database, stopping: Event, write: Callable[[Session], None]) -> None:
    """Write in a transaction as soon as the database answers. Raises as `retry_while_away` does."""

    def commit() -> None:
        with database.writing() as session:
            write(session)
            session.commit()

    retry_while_away(commit, stopping)


class Writer(Generic[Result]):
    """Does one write after the other, each as soon as the database answers.

    Where the last was quick, the next is done while the caller waits. Where it was slow, the next goes on in a thread:
    at most one is under way, and its result comes with the next call.
    """

    def __init__(self, stopping: Event) -> None:
        self._stopping = stopping
        self._under_way: Future[Result] | None = None
        self.took = 0.0
        """Seconds that the last write took the database."""
        self.ended_at = monotonic()

    @property
    def is_busy(self) -> bool:
        return self._under_way is not None and not self._under_way.done()

    def write(self, action: Callable[[], Result]) -> list[Result]:
        """Begin a write when the last one has ended. The results since the last call; raises what a write raised."""
        results = self.settle()
        if self.took < _SLOW:
            return [*results, self._write(action)]
        self._under_way = _in_thread(lambda: self._write(action))
        return results

    def settle(self) -> list[Result]:
        """Wait until nothing is under way. The result of what was."""
        under_way, self._under_way = self._under_way, None
        return [under_way.result()] if under_way else []

    def _write(self, action: Callable[[], Result]) -> Result:
        return retry_while_away(lambda: self._timed(action), self._stopping)

    def _timed(self, action: Callable[[], Result]) -> Result:
        """One try: a database that was away is not slow for that."""
        began = monotonic()
        result = action()
        self.ended_at = monotonic()
        self.took = self.ended_at - began
        return result


def _in_thread(action: Callable[[], Result]) -> Future[Result]:
    """Do something in a thread, which does not keep its process from ending."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(action())
        except BaseException as error:
            future.set_exception(error)

    context = copy_context()  # so that what is logged there names the job, too
    Thread(target=context.run, args=(run,), name="writer", daemon=True).start()
    return future
