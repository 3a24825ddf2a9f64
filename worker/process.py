"""What one process of the worker has: its identity, its connections, its memory, and whether it is to stop.

It waits for a database or a storage that is away: whoever waits goes on where it was, for its token holds.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from threading import Event, Lock
from typing import TypeVar
from uuid import UUID

import numpy as np
import psutil
import structlog
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from service.errors import DatabaseUnavailable, SchemaMissing, StorageUnavailable
from service.queue import CeleryQueue, Queue, celery_app
from service.settings import Settings, get_settings
from service.storage import Storage, storage_at
from service.store.counts import Count
from service.store.database import Database
from service.store.leases.leases import Claimant
from slope.answers.plan import Plan
from slope.spec.job import requests_served
from worker.counts import Own, own_counts
from worker.devices import Device, available_devices

Result = TypeVar("Result")

_IDENTITY = "SLOPE_WORKER_ID"
_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
_forking = Lock()
os.register_at_fork(before=_forking.acquire, after_in_parent=_forking.release, after_in_child=_forking.release)

log = structlog.get_logger()


@dataclass
class Turn:
    """Whose turn it was."""

    last: str = ""
    """The owner whose job was taken last; empty where the next is the first of all."""
    guest: str = ""
    """The owner who was the last guest of a batch, or was looked at last where nobody could be one."""


@dataclass
class Pace:
    """What a small job takes here with all that belongs to it: on a busy machine that is longer than was estimated.

    Where jobs have owners, no batch is claimed that would take longer than a flush's pause.
    """

    last: deque[float] = field(default_factory=lambda: deque(maxlen=3))
    """Seconds of each, of the last claims."""

    @property
    def seconds(self) -> float:
        """The least of these: one that waited for something does not count."""
        return min(self.last, default=0.0)


@dataclass(frozen=True)
class Process:
    """Made once in the main process and once in every child."""

    settings: Settings
    database: Database
    devices: list[Device]
    worker_id: UUID
    queue: Queue
    stopping: Event = field(default_factory=Event)
    """Set when this process has been asked to end."""
    training_lock: Lock = field(default_factory=Lock)
    """Locked while this process trains: it does one thing after the other, whether a bell or a poll found it."""
    turn: Turn = field(default_factory=Turn)
    """Of this process: where each takes turns, all together do."""
    pace: Pace = field(default_factory=Pace)
    is_rehearsing: bool = False
    """What it does then is counted nowhere."""

    @cached_property
    def counts(self) -> Own:
        """What this process has done, to be added to: `process.counts[Count.EPOCHS] += 1`."""
        return np.zeros(len(Count)) if self.is_rehearsing else own_counts()

    @property
    def storage(self) -> Storage:
        return storage_at(self.settings.storage)

    @property
    def requests_served(self) -> list[str]:
        """The devices that a job may ask for and get here."""
        return requests_served([device.name for device in self.devices])

    @property
    def claimant(self) -> Claimant:
        return Claimant(self.worker_id, os.getpid(), self.requests_served, self.settings.lease_seconds)

    @contextmanager
    def between_forks(self) -> Iterator[None]:
        """Use the database in a process that forks: not while it does, and SQLite's files are closed afterwards.

        What SQLite knows of its locks, a child inherits: born in the middle of a transaction, it would wait for
        itself for ever. PostgreSQL's connections are inherited too, but nobody there touches them.
        """
        if not self.database.is_sqlite:
            yield
            return
        with _forking:
            try:
                yield
            finally:
                self.database.dispose()

    def write_when_possible(self, write: Callable[[Session], None]) -> None:
        """Write in a transaction as soon as the database answers. Raises as `retry_while_away` does."""

        def commit() -> None:
            with self.database.writing() as session:
                write(session)
                session.commit()

        retry_while_away(commit, self.stopping)


@cache
def current_process() -> Process:
    """This process. A child has its parent's worker id, through the environment, and the rest of its own."""
    settings = get_settings()
    worker_id = UUID(os.environ.setdefault(_IDENTITY, str(uuid7())))
    database, queue = Database(settings.database, worker_id=worker_id), CeleryQueue(celery_app(settings.broker))
    return Process(settings, database, available_devices(), worker_id, queue)


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


def memory_for_training(settings: Settings, slots: int) -> int:
    """Bytes besides what an idle process has: as the setting says, or a slot's part of the machine or container."""
    if settings.worker_memory is not None:
        return settings.worker_memory
    return max(0, _limit() // slots - psutil.Process().memory_info().rss)


def has_memory(memory: int | None, plan: Plan) -> bool:
    """Whether a training that may take this many bytes has enough for a plan; None is not known."""
    return memory is None or (plan.memory_bytes or 0) <= memory


def check_memory(memory: int | None, plan: Plan) -> None:
    """Raise MemoryError where a training that may take this many bytes has not enough for a plan."""
    if not has_memory(memory, plan):
        raise MemoryError(f"it needs {plan.memory_bytes:,} bytes, and a training here may take {memory:,}")


def _limit() -> int:
    """Of the container where there is one, otherwise of the machine."""
    limits = [file.read_text().strip() for file in _CGROUPS if file.exists()]
    return min([psutil.virtual_memory().total, *(int(limit) for limit in limits if limit.isdecimal())])
