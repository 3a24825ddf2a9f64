"""Patience waits for a database that is away, and for nothing else."""

from collections.abc import Callable
from threading import Event

import pytest
from sqlalchemy.exc import IntegrityError, InterfaceError, InternalError, OperationalError

from service.errors import DatabaseError, LeaseLost, StorageFull
from service.store.database import translated_errors
from worker.process import ProcessStopping, retry_while_away


class Impatient(Event):
    """Notes for how long it was waited for, and does not wait."""

    def __init__(self, *, set_after: int = 1000) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self._set_after = set_after

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout or 0.0)
        return len(self.pauses) >= self._set_after


class DiskFull(Exception):
    """Named as psycopg names it."""


def failing(times: int, error: Exception) -> Callable[[], str]:
    """An action on the database that fails so often before it succeeds."""
    left = times

    def act() -> str:
        nonlocal left
        left -= 1
        if left >= 0:
            with translated_errors():
                raise error
        return "done"

    return act


def away(error: type[OperationalError | InterfaceError] = OperationalError, reason: str = "gone") -> Exception:
    return error("SELECT 1", {}, Exception(reason))


def test_what_succeeds_is_done_once_without_waiting() -> None:
    stopping = Impatient()
    assert retry_while_away(failing(0, away()), stopping) == "done"
    assert stopping.pauses == []


def cut_off() -> Exception:
    """What psycopg says of a connection that PostgreSQL ended because nothing came."""
    return InternalError("UPDATE", {}, Exception("terminating connection"), connection_invalidated=True)


@pytest.mark.parametrize(
    "error",
    [away(), away(InterfaceError), away(reason="database is locked"), away(reason="no such table: jobs"), cut_off()],
)
def test_a_database_that_is_away_is_tried_again_at_growing_intervals(error: Exception) -> None:
    stopping = Impatient()
    assert retry_while_away(failing(7, error), stopping) == "done"
    assert stopping.pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_who_is_asked_to_leave_while_waiting_leaves() -> None:
    stopping = Impatient(set_after=3)
    with pytest.raises(ProcessStopping):
        retry_while_away(failing(1000, away()), stopping)
    assert len(stopping.pauses) == 3


@pytest.mark.parametrize("original", [Exception("database or disk is full"), DiskFull("could not extend file")])
def test_a_full_disk_is_not_waited_for(original: Exception) -> None:
    stopping = Impatient()
    with pytest.raises(StorageFull, match=str(original)):
        retry_while_away(failing(1, OperationalError("INSERT", {}, original)), stopping)
    assert stopping.pauses == []


@pytest.mark.parametrize("error", [LeaseLost(), IntegrityError("INSERT", {}, Exception("twice")), ValueError("wrong")])
def test_what_waiting_does_not_mend_is_raised_at_once(error: Exception) -> None:
    stopping = Impatient()
    with pytest.raises((type(error), DatabaseError)) as raised:
        retry_while_away(failing(1, error), stopping)
    assert error in (raised.value, raised.value.__cause__)
    assert stopping.pauses == []
