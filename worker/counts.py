"""What the processes of a worker have done, each in a place of its own in memory that they share.

To count is to add to an element of an array: it costs less than a microsecond, and no transaction. The main process
writes the sums with its signs of life, whether a child lives on or not.
"""

import mmap
import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np
from billiard.process import current_process as current_child
from numpy.typing import NDArray

from service.store.counts import Count, Counts

Own = NDArray[np.float64]
"""The numbers of one process, by Count. Each is written by one thread at a time."""

_MEMORY = "SLOPE_WORKER_COUNTS"
"""Where children find the memory, also those that are spawned and so inherit none."""
_kept: list[IO[bytes]] = []


def share_counts(slots: int) -> None:
    """Let this process and its children, this many at a time, have places in one memory.

    It is a file without a name, which is gone with the last process that has it open. A child's successor goes on in
    the child's place.
    """
    file = TemporaryFile()  # noqa: SIM115  # open for as long as the process lives
    file.truncate((1 + slots) * _WIDTH)
    _kept.append(file)
    os.environ[_MEMORY] = f"{_open_files()}/{file.fileno()}"


def own_counts() -> Own:
    """Those of this process. Where no worker is around it, they are for itself."""
    table = _shared_table()
    return np.zeros(len(Count)) if table is None else table[_place()]


def sum_counts(own: Own) -> Counts:
    """Of all processes of the worker, by name."""
    table = _shared_table()
    sums = own if table is None else table.sum(axis=0)
    return dict(zip((count.name.lower() for count in Count), sums.tolist(), strict=True))


def _shared_table() -> NDArray[np.float64] | None:
    if (path := os.environ.get(_MEMORY)) is None:
        return None
    with Path(path).open("r+b") as file:
        return np.frombuffer(mmap.mmap(file.fileno(), 0), np.float64).reshape(-1, len(Count))


def _place() -> int:
    """The main process has the first one."""
    child: int | None = getattr(current_child(), "index", None)
    return 0 if child is None else 1 + child


def _open_files() -> Path:
    of_process = Path(f"/proc/{os.getpid()}/fd")
    return of_process if of_process.exists() else Path("/dev/fd")


_WIDTH = 8 * len(Count)
