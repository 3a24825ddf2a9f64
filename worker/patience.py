"""Waiting for a database that is away: when it is back, a worker goes on where it was, for its token still holds."""

from collections.abc import Callable
from threading import Event
from typing import TypeVar

import structlog

from service.errors import DatabaseUnavailable, SchemaMissing, StorageUnavailable

Result = TypeVar("Result")

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0

log = structlog.get_logger()


class Leaving(Exception):
    """The process was asked to end while it waited."""


def patiently(action: Callable[[], Result], leaving: Event) -> Result:
    """Do something as soon as database and storage let us. Raises Leaving, and StorageFull, which no waiting mends."""
    pause = _FIRST_PAUSE
    while True:
        try:
            return action()
        except (DatabaseUnavailable, SchemaMissing) as error:
            log.warning("the database is away", error=str(error), next_try_in=pause)
        except StorageUnavailable as error:
            log.warning("the storage is away", error=repr(error.__cause__), next_try_in=pause)
        if leaving.wait(pause):
            raise Leaving
        pause = min(2 * pause, _LONGEST_PAUSE)
