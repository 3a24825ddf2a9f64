"""However an attempt ends, it is told in SQL: what can go wrong with one, and who is told of it."""

from collections.abc import Callable

import structlog
import torch

from service.errors import LeaseLost, StorageFull
from worker.patience import Leaving

log = structlog.get_logger()


def telling(train: Callable[[], None], fail: Callable[[str, str], None]) -> None:
    """Train, and tell what goes wrong as a code and a sentence. What was lost to another attempt is left alone."""
    try:
        _train_or_fail(train, fail)
    except LeaseLost:
        log.warning("the work is another attempt's now")
    except Leaving:
        log.warning("left without a word: the database is away")
    except StorageFull:
        log.exception("left without a word: the database has no room")


def _train_or_fail(train: Callable[[], None], fail: Callable[[str, str], None]) -> None:
    try:
        train()
    except (LeaseLost, Leaving):
        raise
    except StorageFull as error:
        fail("storage_full", f"{error.title}: {error.detail}")
    except Exception as error:
        log.exception("the attempt failed")
        if _is_out_of_memory(error):
            fail("out_of_memory", f"The worker has not enough memory for this job: {error}")
        else:
            fail("internal", f"{type(error).__name__}: {error}")


def _is_out_of_memory(error: Exception) -> bool:
    """On the CPU torch says so in words only, and so does libpq where an answer does not fit."""
    said = ("can't allocate memory", "out of memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(words in str(error) for words in said)
