"""What tests of attempts share: wishes that come in the middle of a training, and what an attempt has left."""

from collections.abc import Callable
from threading import Event
from typing import Any
from uuid import UUID

from sqlalchemy import select

from service.store.database import Database
from service.store.leases.leases import JobLease
from service.store.tables import Epoch, Step
from service.store.tables import Event as History

Trained = Callable[[dict[str, Any]], UUID]
NEVER = 10**9
WHILE_LOADING = 2
"""So often it is asked whether to stop while the data of a small job is loaded."""


class AtStep(Event):
    """An event that nobody sets. At the n-th time somebody asks, which a training does before every step, it acts."""

    def __init__(self, number: int, action: Callable[[], Any]) -> None:
        super().__init__()
        self._left = number + WHILE_LOADING
        self._action = action

    def is_set(self) -> bool:
        self._left -= 1
        if self._left == 0:
            self._action()
        return super().is_set()


def stopping_at(number: int) -> AtStep:
    """The wish that the process leaves, from a step on."""
    stopping = AtStep(number, lambda: stopping.set())
    return stopping


Run = Callable[..., JobLease]


def epochs_of(database: Database, job_id: UUID) -> list[dict[str, Any]]:
    """All epoch records but for what is not a number of the training."""
    return rows_of(database, Epoch, job_id, Epoch.epoch)


def steps_of(database: Database, job_id: UUID) -> list[dict[str, Any]]:
    return rows_of(database, Step, job_id, Step.epoch, Step.step)


def rows_of(database: Database, table: Any, job_id: UUID, *order: Any) -> list[dict[str, Any]]:
    chosen = select(table.__table__).where(table.job_id == job_id).order_by(*order)
    with database.reading() as session:
        rows = session.execute(chosen).mappings().all()
    return [{name: value for name, value in row.items() if name not in ("job_id", "seconds")} for row in rows]


def told(database: Database, job_id: UUID) -> list[str | None]:
    """The statuses a job went through."""
    with database.reading() as session:
        history = select(History).where(History.job_id == job_id, History.kind == "status").order_by(History.seq)
        return [happened.status for happened in session.scalars(history)]
