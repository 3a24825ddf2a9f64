"""Trying again while the database or the storage is away: the worker then goes on where it was, for its token holds."""

from collections.abc import Callable
from threading import Event
from typing import TypeVar

import structlog

from service.errors import DatabaseUnavailable, SchemaMissing, StorageUnavailable

Result = TypeVar("Result")

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0

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
