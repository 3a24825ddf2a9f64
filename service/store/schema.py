"""The schema of a database: bring it to the newest version, and tell whether it is there."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect
from sqlalchemy.orm import Session

import migrations
from service.errors import SchemaNewer
from service.storage import Storage
from service.store.connections import condition
from service.store.database import Database, translated_errors
from service.store.tables import Table

_LOCK = "SELECT pg_advisory_xact_lock(732001)"
"""Whoever changes the schema on PostgreSQL waits for its turn."""
_VIEWS = {"gradient_values"}


@translated_errors()
def upgrade_schema(database: Database, revision: str = "head", *, storage: Storage | None = None) -> None:
    """Bring the schema to a revision, in one transaction. Safe to call from several processes at the same time.

    The storage is for migrations that move what was in SQL before; an empty database needs none.
    """
    with database.writer.begin() as connection:
        if not database.is_sqlite:  # a SQLite writer is alone as it is
            condition.refuse_other_encodings(connection)
            connection.exec_driver_sql(_LOCK)
        is_at_head(connection)  # raises SchemaNewer
        command.upgrade(config(connection, storage), revision)


@translated_errors()
def downgrade_schema(database: Database, revision: str, *, storage: Storage | None = None) -> None:
    with database.writer.begin() as connection:
        command.downgrade(config(connection, storage), revision)


def rebuild_schema(session: Session, revision: str) -> None:
    """Have the tables of a revision in the place of those that are there, and of all that is in them.

    What was there is gone when the transaction is committed. It may last long, and until then nobody else uses it.
    """
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    else:
        condition.refuse_other_encodings(connection)
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.exec_driver_sql(_LOCK)
    is_at_head(connection)  # raises SchemaNewer
    for view in inspect(connection).get_view_names():
        if view in _VIEWS:
            connection.exec_driver_sql(f"DROP VIEW {view}")
    for table in reversed(tables_there(session)):
        connection.exec_driver_sql(f"DROP TABLE {table}")
    command.upgrade(config(connection), revision)


def tables_there(session: Session) -> list[str]:
    """Those of our tables that a database has, those that others refer to first."""
    there = set(inspect(session.connection()).get_table_names())
    return [
        name for name in ("alembic_version", *(each.name for each in Table.metadata.sorted_tables)) if name in there
    ]


def finish_schema(session: Session) -> None:
    """Bring the tables of a session to the newest revision."""
    command.upgrade(config(session.connection()), "head")


def revision_of(session: Session) -> str:
    """The revision of the tables of a session."""
    return str(MigrationContext.configure(session.connection()).get_current_revision())


def is_known(revision: str) -> bool:
    """Whether this version of the code knows a revision."""
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    return revision in {script.revision for script in scripts.walk_revisions()}


@translated_errors()
def is_current(database: Database) -> bool:
    """Whether the schema is the one this version of the code works with. Raises SchemaNewer where it is a later one."""
    with database.reader.connect() as connection:
        return is_at_head(connection)


def is_at_head(connection: Connection) -> bool:
    """Whether the schema at a connection is the one of this version. Raises SchemaNewer where it is a later one."""
    scripts = ScriptDirectory.from_config(config(connection))
    found = set(MigrationContext.configure(connection).get_current_heads())
    if unknown := found - {script.revision for script in scripts.walk_revisions()}:
        raise SchemaNewer(", ".join(sorted(unknown)))
    return found == set(scripts.get_heads())


def config(connection: Connection, storage: Storage | None = None) -> Config:
    configuration = Config()
    folder = str(Path(migrations.__file__).parent)
    configuration.set_main_option("script_location", folder.replace("%", "%%"))  # it would be interpolated
    configuration.attributes |= {"connection": connection, "storage": storage}
    return configuration
