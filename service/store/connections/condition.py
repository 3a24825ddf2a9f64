"""Whether the database answers, and whether SQLite's file is sound."""

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from service.errors import DatabaseNotUnicode


def ask_database(connection: Connection) -> None:
    """Raise while the database does not answer."""
    connection.exec_driver_sql("SELECT 1")


def refuse_other_encodings(connection: Connection) -> None:
    """Raise DatabaseNotUnicode where PostgreSQL keeps text in anything but UTF-8."""
    query = "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
    encoding = str(connection.exec_driver_sql(query).scalar())
    if encoding != "UTF8":
        raise DatabaseNotUnicode(encoding)


def examine_sqlite(session: Session) -> tuple[str, str]:
    """SQLite's version, and the first damage that it finds in its file, or `ok`."""
    connection = session.connection()
    version = connection.exec_driver_sql("SELECT sqlite_version()").scalar()
    damage = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    return str(version), str(damage)
