"""Locks that are no rows: whoever has one keeps it until the transaction ends."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session


def take_lock(session: Session, number: int) -> None:
    """Wait for it. On SQLite there is one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(number)))


def try_lock(session: Session, number: int) -> bool:
    """The same without waiting: whether nobody else has it."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(number))))
