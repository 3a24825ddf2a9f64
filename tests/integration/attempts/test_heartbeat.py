"""A heartbeat goes on whatever the database does."""

from threading import Event
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from service.settings import Settings
from service.store.database import Database
from service.store.leases.leases import JobLease
from worker.heartbeat import Heartbeat


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("UPDATE", {}, Exception("connection refused")),
        OperationalError("UPDATE", {}, Exception("database or disk is full")),
        OperationalError("UPDATE", {}, Exception("no such table: jobs")),
        ProgrammingError("UPDATE", {}, Exception("syntax error")),
    ],
    ids=["away", "full", "without tables", "wrong"],
)
def test_a_beat_that_fails_in_the_database_is_followed_by_the_next(database: Database, error: Exception) -> None:
    failed, beaten = Event(), Event()

    class Beating(JobLease):
        def beat(self, session: Session, lease_seconds: float) -> set[UUID]:
            if not failed.is_set():
                failed.set()
                raise error
            beaten.set()
            return set()

    lease = Beating(uuid4(), 1, uuid4())
    with capture_logs() as logged, Heartbeat(database, Settings(beat_seconds=0.01), lease, Event()) as heartbeat:
        assert beaten.wait(60)
        assert heartbeat.stop_reason is None

    assert [line["event"] for line in logged] == ["no sign of life could be given"]
