"""Letting go of what was written down long ago: what was done with which key, and messages to webhooks."""

from datetime import timedelta
from time import monotonic, sleep
from typing import Any

from service.store import retention
from service.store.database import Database, now
from service.store.tables import AuditEntry, Delivery

_MOST = 5_000
"""Rows of one transaction: it takes some hundredths of a second, and the next begins after as long a pause."""


def forget_deeds(database: Database, age: timedelta) -> int:
    """Delete what is older than this of the log of what was done with keys. How many entries they were."""
    return _forget(database, age, AuditEntry.at)


def forget_messages(database: Database, age: timedelta) -> int:
    """Delete messages to webhooks that are older than this, whatever became of them. How many they were."""
    return _forget(database, age, Delivery.created_at)


def _forget(database: Database, age: timedelta, moment: Any) -> int:
    forgotten, some = 0, _MOST
    while some == _MOST:
        started = monotonic()
        with database.writing() as session:
            some = retention.remove_oldest(session, moment, now(session) - age, _MOST)
            session.commit()
        forgotten += some
        sleep(monotonic() - started)  # SQLite gives the next turn to whoever asks at the right moment
    return forgotten
