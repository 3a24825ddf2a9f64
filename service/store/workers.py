"""Worker processes and their signs of life."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, update
from sqlalchemy.orm import Session

from service.store.counts import Counts, joined_counts
from service.store.database import later, now
from service.store.tables import Worker

LIVE_SECONDS = 10.0
"""A worker that was silent for longer counts as dead."""
_FORGET = timedelta(days=1)


def add_worker(session: Session, worker: Worker) -> None:
    """Register a worker, and forget those that died long ago, but for what they did."""
    forgotten = delete(Worker).where(Worker.seen_at < now(session) - _FORGET)
    inherited = session.execute(forgotten.returning(Worker.counts, Worker.inherited_counts))
    worker.inherited_counts = dict(joined_counts(inherited)) or None
    worker.started_at = worker.seen_at = now(session)
    session.add(worker)
    session.flush()


def touch_worker(session: Session, worker_id: UUID, *, hears: bool = True, counts: Counts | None = None) -> bool:
    """A sign of life: whether the worker hears its broker, and what it has done since it began.

    False when nobody of that id is registered.
    """
    signs = {"seen_at": now(session), "hears_broker": hears} | ({} if counts is None else {"counts": counts})
    seen = update(Worker).where(Worker.id == worker_id).values(signs).returning(Worker.id)
    return session.execute(seen).one_or_none() is not None


def stop_worker(session: Session, worker_id: UUID) -> None:
    session.execute(update(Worker).where(Worker.id == worker_id).values(stopped_at=now(session)))


def list_workers(session: Session) -> list[tuple[Worker, bool]]:
    """All known workers, and whether each is alive."""
    rows = session.execute(select(Worker, is_alive(session)).order_by(Worker.id))
    return [(worker, alive) for worker, alive in rows]


def count_live(session: Session) -> int:
    """How many workers are alive, whatever else an older or newer schema says of them."""
    return session.scalar(select(func.count(Worker.id)).where(is_alive(session))) or 0


def is_alive(session: Session | Connection) -> ColumnElement[bool]:
    """Whether a worker has given a sign of life lately."""
    return and_(Worker.stopped_at.is_(None), Worker.seen_at >= later(session, -LIVE_SECONDS))


def memory_of_worker(session: Session, worker_id: UUID) -> int | None:
    """Bytes that one training of a worker may take; None when it has not said so."""
    return session.scalar(select(Worker.memory).where(Worker.id == worker_id))


def largest_memory(session: Session, device: str) -> int | None:
    """The most bytes that a training may take on a live worker with a device; None when no such worker lives."""
    found = [
        worker.memory
        for worker, alive in list_workers(session)
        if alive and worker.memory is not None and device in _names(worker)
    ]
    return max(found, default=None)


def count_slots(session: Session, device: str) -> int:
    """How many jobs the live workers that have a device train at the same time."""
    return live_crew(session).slots(device)


def live_devices(session: Session) -> dict[str, bool]:
    """Names of the devices that live workers have, and whether one of those workers hears its broker."""
    return live_crew(session).devices


@dataclass(frozen=True)
class Crew:
    """The workers that are alive."""

    workers: Sequence[Worker]

    def slots(self, device: str) -> int:
        """How many jobs those that have a device train at the same time."""
        return sum(worker.slots for worker in self.workers if device in _names(worker))

    @property
    def devices(self) -> dict[str, bool]:
        """Names of all their devices, and whether one that has it hears its broker."""
        heard: dict[str, bool] = {}
        for worker in self.workers:
            heard |= {name: heard.get(name, False) or worker.hears_broker for name in _names(worker)}
        return heard


def live_crew(session: Session) -> Crew:
    return Crew([worker for worker, alive in list_workers(session) if alive])


def _names(worker: Worker) -> set[str]:
    """The names of its devices."""
    return {device["name"] for device in worker.known_devices}
