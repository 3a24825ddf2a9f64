"""Writes records by the thousand: COPY on PostgreSQL, the driver's executemany on SQLite, in the session's transaction.

The numbers come as columns. PostgreSQL gets them in its binary format, laid out by one NumPy record array: every row of
a table has the same length, for every vector has as many numbers and a column is null in all of its rows or in none.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray
from sqlalchemy import Connection, insert
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from service.store.tables import Epoch, Snapshot, Step
from service.store.tables.base import write_vectors
from slope.columns import EpochColumns, StepColumns

Form = TypeVar("Form")
Columns = Mapping[str, NDArray[Any] | None]
"""By name: M numbers, or M vectors of D; None where all are null."""

COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"
_FLOAT8 = 701
"""What PostgreSQL calls a double, in the head of an array."""
MOST_TUPLES = 512
"""Rows that are Python's at a time. Of more than some hundred new tuples its garbage collector looks at every one."""


@contextmanager
def written_by_one(session: Session, refuse_lost: Callable[[], object]) -> Iterator[None]:
    """Add records in the block. Where another attempt has written them before, `refuse_lost` raises LeaseLost."""
    try:
        yield
    except IntegrityError:
        session.rollback()
        refuse_lost()
        raise


def add_epochs(session: Session, job_ids: Sequence[UUID], epochs: EpochColumns) -> None:
    """Row i is of the job `job_ids[i]`."""
    insert_rows(session, Epoch.__tablename__, job_ids, epochs.arrays())


def add_steps(session: Session, job_ids: Sequence[UUID], steps: StepColumns) -> None:
    """Row i is of the job `job_ids[i]`."""
    insert_rows(session, Step.__tablename__, job_ids, steps.arrays())


def add_snapshots(session: Session, snapshots: list[dict[str, Any]]) -> None:
    """As dictionaries by column."""
    if snapshots:
        session.execute(insert(Snapshot), snapshots)


def insert_rows(session: Session, table: str, job_ids: Sequence[UUID], columns: Columns) -> None:
    """Add M rows to a table; row i belongs to `job_ids[i]`."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        _copy(connection, table, job_ids, columns)
    else:
        _execute_many(connection, table, job_ids, columns)


def _copy(connection: Connection, table: str, job_ids: Sequence[UUID], columns: Columns) -> None:
    statement = f"COPY {table} ({', '.join(['job_id', *columns])}) FROM STDIN (FORMAT BINARY)"
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(COPY_HEADER + as_binary(job_ids, columns) + COPY_TRAILER)
    except psycopg.Error as error:
        raise as_driver_error(connection, statement, error) from error


def as_driver_error(connection: Connection, statement: str, error: psycopg.Error) -> Exception:
    """The error as SQLAlchemy gives those of its own statements; a connection that is gone is not used again."""
    dialect = connection.dialect
    is_gone = dialect.is_disconnect(error, None, None)  # type: ignore[arg-type]
    if is_gone:
        connection.invalidate(error)
    return DBAPIError.instance(statement, None, error, psycopg.Error, connection_invalidated=is_gone, dialect=dialect)


def as_binary(job_ids: Sequence[UUID], columns: Columns) -> bytes:
    """Rows in PostgreSQL's binary COPY format: each field its length in bytes and its value, all big-endian."""
    layout: list[Any] = [("fields", ">i2"), ("job_id length", ">i4"), ("job_id", "V16")]
    for name, column in columns.items():
        layout += [(f"{name} length", ">i4"), *_field(name, column)]
    rows = np.zeros(len(job_ids), layout)
    rows["fields"], rows["job_id length"] = 1 + len(columns), 16
    rows["job_id"] = np.frombuffer(b"".join(_each(lambda job_id: job_id.bytes, job_ids)), "V16")
    for name, column in columns.items():
        _fill(rows, name, column)
    return rows.tobytes()


def _each(form: Callable[[UUID], Form], job_ids: Sequence[UUID]) -> list[Form]:
    """A form of each id, made once for all rows that share one. They are told apart as objects: a hash takes longer."""
    known = {key: form(job_id) for key, job_id in {id(job_id): job_id for job_id in job_ids}.items()}
    return [known[id(job_id)] for job_id in job_ids]


def _field(name: str, column: NDArray[Any] | None) -> list[Any]:
    if column is None:
        return []
    if column.ndim == 1:
        return [(name, ">f8" if column.dtype.kind == "f" else ">i8")]
    return [(f"{name} head", ">i4", 5), (name, [("length", ">i4"), ("value", ">f8")], column.shape[1])]


def _fill(rows: NDArray[Any], name: str, column: NDArray[Any] | None) -> None:
    if column is None:
        rows[f"{name} length"] = -1
    elif column.ndim == 1:
        rows[f"{name} length"], rows[name] = 8, column
    else:
        count = column.shape[1]
        rows[f"{name} length"] = 20 + 12 * count
        rows[f"{name} head"] = [1, 0, _FLOAT8, count, 1]  # dimensions, no nulls, type, numbers, the first one's index
        rows[name]["length"], rows[name]["value"] = 8, column


def _execute_many(connection: Connection, table: str, job_ids: Sequence[UUID], columns: Columns) -> None:
    names = ["job_id", *columns]
    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608  # our names
    for start in range(0, len(job_ids), MOST_TUPLES):
        some = slice(start, start + MOST_TUPLES)
        part = {name: None if column is None else column[some] for name, column in columns.items()}
        connection.exec_driver_sql(statement, as_tuples(job_ids[some], part))


def as_tuples(job_ids: Sequence[UUID], columns: Columns) -> list[tuple[Any, ...]]:
    """Rows as SQLite's driver takes them."""
    ids = _each(str, job_ids)
    return list(zip(ids, *(_values(column, len(ids)) for column in columns.values()), strict=True))


def _values(column: NDArray[Any] | None, count: int) -> list[Any]:
    """Numbers, and vectors as JSON."""
    if column is None:
        return [None] * count
    if column.ndim == 1:
        values: list[Any] = column.tolist()
        return values
    return write_vectors(column)
