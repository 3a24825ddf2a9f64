"""Whether the database answers, and whether SQLite's file is sound."""

from sqlalchemy import Connection
from sqlalchemy.orm import Session


def ask_database(connection: Connection) -> None:
    """Raise while the database does not answer."""
    connection.exec_driver_sql("SELECT 1")


def examine_sqlite(session: Session) -> tuple[str, str]:
    """SQLite's version, and the first damage that it finds in its file, or `ok`."""
    connection = session.connection()
    version = connection.exec_driver_sql("SELECT sqlite_version()").scalar()
    damage = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    return str(version), str(damage)
