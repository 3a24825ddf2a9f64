"""How a process of the service begins, and how it ends where it cannot: with a sentence, and an exit status."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from service import logs, private
from service.errors import DatabaseError, NotDone, ServiceError
from service.settings import Settings, WrongSettings, get_settings, misspelt_settings

log = structlog.get_logger()


def begin() -> Settings:
    """Read the settings, send the logs where they go, and keep all files private. Raises WrongSettings."""
    private.keep_private()
    settings = get_settings()
    logs.configure_logs(settings)
    for name, meant in misspelt_settings().items():
        log.warning("there is no such setting, and it is ignored", name=name, did_you_mean=meant)
    return settings


@contextmanager
def ending_in_a_sentence() -> Iterator[None]:
    """Exit with 1 where the block meets what only the operator can mend: what happened, why, and what to do."""
    try:
        yield
    except (WrongSettings, NotDone) as error:
        sys.exit(str(error))
    except ServiceError as error:
        sys.exit(sentence(error))
    except OSError as error:
        sys.exit(f"Cannot use {error.filename}: {error.strerror}" if error.filename else f"Cannot go on: {error}")


def sentence(error: ServiceError) -> str:
    """An error of the service in one line. Its detail is for clients, and its cause for the operator."""
    cause = error if isinstance(error, DatabaseError) else error.__cause__ or error.detail
    return f"{error.title}: {' '.join(str(cause).split()).rstrip('.?')}. {error.advice}"
