"""The one place that knows what SQLAlchemy and the drivers raise: the rest of the service has errors of its own."""

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.errors import (
    DatabaseDamaged,
    DatabaseError,
    DatabaseUnavailable,
    SchemaMissing,
    SearchTooLong,
    ServiceError,
    StorageFull,
)


def translated(error: SQLAlchemyError) -> ServiceError:
    """StorageFull, SearchTooLong, SchemaMissing, DatabaseUnavailable, or another DatabaseError."""
    if isinstance(error, PoolTimeout):
        return DatabaseUnavailable(error)
    if not isinstance(error, DBAPIError):
        return DatabaseError(error)
    if _is_full(error):
        return StorageFull(error.orig)
    if _is_interrupted(error):
        return SearchTooLong()
    if _has_no_schema(error):
        return SchemaMissing(error.orig)
    if _is_damaged(error):
        return DatabaseDamaged(error.orig)
    return DatabaseUnavailable(error.orig) if _is_away(error) and not _is_not_json(error) else DatabaseError(error)


def _is_full(error: DBAPIError) -> bool:
    """Whether there is no room left. SQLite says so in words, PostgreSQL by the class of its error."""
    return "disk is full" in str(error.orig) or type(error.orig).__name__ == "DiskFull"


def _is_interrupted(error: DBAPIError) -> bool:
    """Whether a statement took longer than it may: nobody else interrupts one."""
    return str(error.orig) == "interrupted" or type(error.orig).__name__ == "QueryCanceled"


def _has_no_schema(error: DBAPIError) -> bool:
    """Whether a table is missing: nobody has created the schema."""
    return "no such table" in str(error.orig) or type(error.orig).__name__ == "UndefinedTable"


def _is_damaged(error: DBAPIError) -> bool:
    """Whether SQLite finds that its file is none, or not whole; PostgreSQL has a class for what it finds."""
    kind, words = type(error.orig).__name__, str(error.orig)
    return kind in ("DataCorrupted", "IndexCorrupted") or any(each in words for each in _DAMAGE)


def _is_not_json(error: DBAPIError) -> bool:
    """Whether SQLite finds that a document in a row is none: it has the same error for that as for a locked file."""
    return "malformed JSON" in str(error.orig)


_DAMAGE = (
    "file is not a database",
    "disk image is malformed",
    "malformed database schema",
    "unsupported file format",
)


def _is_away(error: DBAPIError) -> bool:
    """PostgreSQL has a third kind of error for a connection that it ended because nothing came."""
    return isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
