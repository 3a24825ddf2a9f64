"""The schema of a database: bring it to the newest version, and tell whether it is there."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

import migrations
from service.errors import SchemaNewer
from service.storage import Storage
from service.store import condition
from service.store.database import Database, translated_errors


@translated_errors()
def upgrade_schema(database: Database, revision: str = "head", *, storage: Storage | None = None) -> None:
    """Bring the schema to a revision, in one transaction. Safe to call from several processes at the same time.

    The storage is for migrations that move what was in SQL before; an empty database needs none.
    """
    with database.writer.begin() as connection:
        if not database.is_sqlite:  # a SQLite writer is alone as it is
            condition.refuse_other_encodings(connection)
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(732001)")
        is_at_head(connection)  # raises SchemaNewer
        command.upgrade(config(connection, storage), revision)


@translated_errors()
def downgrade_schema(database: Database, revision: str, *, storage: Storage | None = None) -> None:
    with database.writer.begin() as connection:
        command.downgrade(config(connection, storage), revision)


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
