"""Errors of the database and of the storage of objects."""

from typing import Any

from service.errors.base import ServiceError


class DatabaseError(ServiceError):
    """The database refused what the service asked of it. As text it is the driver's words, which are for the log."""

    def __init__(self, cause: object, **others: Any) -> None:
        super().__init__(**others)
        self.args = (str(cause),)


class DatabaseUnavailable(DatabaseError):
    """The database does not answer. Wait as long as `Retry-After` says, and repeat the request, with an
    Idempotency-Key if it makes a job."""

    status = 503
    type = "database-unavailable"
    title = "The database is not available"
    advice = "Check SLOPE_DATABASE_URL, and that the server runs"

    def __init__(self, cause: object) -> None:
        detail = (
            "It does not answer, so what a change has come to is not known: repeat the request in a moment."
            " With an Idempotency-Key no job is made twice"
        )
        super().__init__(cause, detail=detail, headers={"Retry-After": "2"})


class SchemaMissing(DatabaseError):
    """The database has no tables yet, or those of another version. The operator runs `slope db upgrade`."""

    status = 503
    type = "schema-missing"
    title = "The database has no schema"
    advice = "Run `slope db upgrade`"

    def __init__(self, cause: object) -> None:
        detail = "It has no tables, or those of another version: its operator runs `slope db upgrade`"
        super().__init__(cause, detail=detail, headers={"Retry-After": "10"})


class SchemaNewer(DatabaseError):
    """The database was made by a newer version of Slope. The operator upgrades Slope, or goes back to a backup."""

    status = 503
    type = "schema-newer"
    title = "The database was made by a newer Slope"
    advice = "Install that version, or restore a copy that this one has made"

    def __init__(self, revision: str) -> None:
        detail = "This version does not know its tables: its operator installs the newer one, or restores a backup"
        super().__init__(f"this one does not know the schema {revision}", detail=detail)


class DatabaseDamaged(DatabaseError):
    """The database's file is damaged, or is none. The operator runs `slope doctor`, and goes back to a backup."""

    status = 503
    type = "database-damaged"
    title = "The database is damaged"
    advice = "Restore the file from a copy"

    def __init__(self, cause: object) -> None:
        super().__init__(cause, detail="Its file cannot be read: its operator restores it from a backup")


class DatabaseNotUnicode(DatabaseError):
    """The database cannot store every character: its encoding is not UTF-8. The operator makes one with UTF-8, and
    moves what there is."""

    status = 503
    type = "database-not-unicode"
    title = "The database does not take every text"
    advice = "Make another with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"

    def __init__(self, encoding: str) -> None:
        detail = f"Its encoding is {encoding}: its operator makes another database, in UTF-8"
        super().__init__(f"its encoding is {encoding}, not UTF8", detail=detail)


class StorageFull(ServiceError):
    """The disk of the database or of the datasets is full. Nothing was changed: delete jobs or datasets, or make
    room."""

    status = 507
    type = "storage-full"
    title = "There is no room left"
    advice = "Make room on its disk"

    def __init__(self, cause: object) -> None:
        super().__init__(f"Nothing was changed: delete jobs or datasets, or make room on the disk ({cause})")


class StorageUnavailable(ServiceError):
    """The folder or bucket of the datasets does not answer. Wait as long as `Retry-After` says, and repeat the
    request."""

    status = 503
    type = "storage-unavailable"
    title = "The storage of datasets is not available"
    advice = "Check SLOPE_STORAGE_URL, and that every process may write there"

    def __init__(self) -> None:
        detail = "It does not answer. Nothing was changed or lost: repeat the request in a moment"
        super().__init__(detail, headers={"Retry-After": "5"})


class ObjectMissing(ServiceError):
    """The numbers of a dataset are not in the storage. All processes need the same SLOPE_STORAGE_URL."""

    type = "object-missing"
    title = "The numbers of a dataset are not where they were kept"

    def __init__(self, name: str) -> None:
        detail = f"The storage has no {name}: do all processes have the same SLOPE_STORAGE_URL?"
        super().__init__(detail)
