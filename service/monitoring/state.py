"""What the database and the storage say of the service, looked at no more often than it is worth."""

from collections import Counter
from collections.abc import Callable, Iterator
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

from sqlalchemy.orm import Session

from service.errors import ServiceError
from service.monitoring import families
from service.monitoring.families import Family
from service.storage import Storage
from service.store import counts, monitoring, workers
from service.store.database import Database, now

Seen = TypeVar("Seen")
Value = tuple[Family, tuple[str, ...], float]
"""A metric, its labels' values, and its own."""

_SECONDS, _LARGE_SECONDS = 1.0, 60.0
_KINDS = ("auto", "cpu", "cuda")
_STATUSES = ("queued", "running", "paused")


class Kept(Generic[Seen]):
    """What was seen, for some seconds. Of many who ask one looks, and the others wait for it."""

    def __init__(self, look: Callable[[], Seen], seconds: float) -> None:
        self._look, self._seconds = look, seconds
        self._lock = Lock()
        self._seen: Seen
        self._until = 0.0

    def get(self) -> Seen:
        with self._lock:
            if monotonic() > self._until:
                self._seen = self._look()
                self._until = monotonic() + self._seconds
            return self._seen


class State:
    """Of the service, for whoever scrapes it."""

    def __init__(self, database: Database, storage: Storage) -> None:
        self._database, self._storage = database, storage
        self._values = Kept(self._read, _SECONDS)
        self._object_bytes = Kept(self._read_object_bytes, _LARGE_SECONDS)

    def values(self) -> list[Value]:
        return self._values.get()

    def _read(self) -> list[Value]:
        """Where the database is away, that is all that is known."""
        free = self._storage.free_bytes()
        found: list[Value] = [] if free is None else [(families.FREE_BYTES, (), free)]
        try:
            with self._database.reading() as session:
                found += [*_jobs(session), *_workers(session), *_work(session)]
                found.append((families.DATABASE_BYTES, (), monitoring.database_bytes(session)))
            found.append((families.OBJECT_BYTES, (), self._object_bytes.get()))
        except ServiceError:
            return [(families.DATABASE_UP, (), 0.0)]
        return [(families.DATABASE_UP, (), 1.0), *found]

    def _read_object_bytes(self) -> int:
        with self._database.reading() as session:
            return monitoring.object_bytes(session)


def _jobs(session: Session) -> Iterator[Value]:
    """Also the kinds of which there are none: a queue that is empty is not a queue that nobody knows of."""
    moment, count, ages = now(session), Counter[tuple[str, str]](), dict.fromkeys(_KINDS, 0.0)
    for each in monitoring.count_open_jobs(session):
        kind = _kind(each.device)
        count[each.status, kind] += each.count
        if each.status == "queued":
            ages[kind] = max(ages[kind], (moment - each.oldest).total_seconds())
    for status in _STATUSES:
        yield from ((families.JOBS, (status, kind), count[status, kind]) for kind in _KINDS)
    yield from ((families.OLDEST, (kind,), age) for kind, age in ages.items())


def _workers(session: Session) -> Iterator[Value]:
    crew = workers.live_crew(session)
    for kind in _KINDS[1:]:
        having = [each for each in crew.workers if any(_kind(device["name"]) == kind for device in each.known_devices)]
        yield families.WORKERS, (kind,), len(having)
        yield families.SLOTS, (kind,), sum(each.slots for each in having)
    yield families.DEAF, (), sum(not each.hears_broker for each in crew.workers)


def _work(session: Session) -> Iterator[Value]:
    done = counts.total_counts(session)
    for count, (family, labels) in families.COUNTED.items():
        yield family, labels, done.get(count.name.lower(), 0.0)


def _kind(device: str) -> str:
    """Which of the kinds: there may be many devices of one."""
    return device.partition(":")[0]
