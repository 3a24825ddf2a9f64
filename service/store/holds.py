"""Holds: while one lasts, the objects of datasets that are deleted stay where they are.

Whoever deletes a row looks for a hold after its commit, and whoever copies has committed a hold before it looks at the
rows: so no object goes whose row has been seen.
"""

from uuid import UUID

from sqlalchemy import Connection, delete, exists, insert, select, update
from sqlalchemy.orm import Session

from service.store.database import later, now
from service.store.tables import Hold


def begin_hold(session: Session, hold_id: UUID, seconds: float) -> None:
    """Hold all objects, and forget the holds that have ended."""
    session.execute(delete(Hold).where(Hold.until < now(session)))
    session.execute(insert(Hold).values(id=hold_id, until=later(session, seconds)))


def extend_hold(session: Session, hold_id: UUID, seconds: float) -> bool:
    """False when it has ended before: objects may be gone."""
    lasting = update(Hold).where(Hold.id == hold_id, Hold.until >= now(session))
    return session.execute(lasting.values(until=later(session, seconds)).returning(Hold.id)).one_or_none() is not None


def end_hold(session: Session, hold_id: UUID) -> None:
    session.execute(delete(Hold).where(Hold.id == hold_id))


def are_objects_held(connection: Connection) -> bool:
    """Whether somebody copies objects at this moment."""
    return bool(connection.scalar(select(exists().where(Hold.until >= later(connection, 0)))))
