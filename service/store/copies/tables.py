"""Whole tables: read in the order in which they stand, and written into new ones, which then have the same order."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any
from uuid import UUID

import psycopg
import pyarrow as pa
from sqlalchemy import Connection, func, inspect, select, table
from sqlalchemy.orm import Session

from service.store.copies.kinds import KINDS, kind_of
from service.store.records.bulk import MOST_TUPLES, as_driver_error
from service.store.schema import tables_there
from service.store.tables import Dataset, Hold, Table, Worker

LEFT_OUT = {Worker.__tablename__, Hold.__tablename__}
"""Tables that say who works on this database at this moment."""
_FIRST_ROWS, _BATCH_BYTES = 64, 4 * 1024**2
"""A batch has this many bytes, as far as those before it tell how many rows these are."""
_MOST_ROWS = 16_384
BATCH_ROWS = 4_096
"""Rows of a file that are added in one go; no file has more than 64 MiB of them."""
_KIND = b"kind"


def copied_tables() -> dict[str, pa.Schema]:
    """The tables that are copied, those that others refer to first, and what a copy has of each."""
    return {
        table.name: pa.schema([_field(column) for column in table.columns])
        for table in Table.metadata.sorted_tables
        if table.name not in LEFT_OUT
    }


def _field(column: Any) -> pa.Field:
    kind = kind_of(column)
    return pa.field(column.name, KINDS[kind].arrow, metadata={_KIND: kind.encode()})


def read_table(session: Session, name: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """All rows of a table, a few megabytes at a time."""
    connection = session.connection()
    is_sqlite = connection.dialect.name == "sqlite"
    asked = ", ".join((field.name if is_sqlite else _kind(field).asked_as.format(field.name)) for field in schema)
    query = f"SELECT {asked} FROM {name}"  # noqa: S608  # our names
    options = {"stream_results": True, "max_row_buffer": _FIRST_ROWS}
    count = _FIRST_ROWS
    with closing(connection.exec_driver_sql(query, execution_options=options)) as rows:
        while some := rows.fetchmany(count):
            batch = _batch(list(zip(*some, strict=True)), schema, is_sqlite=is_sqlite)
            yield batch
            count = max(1, min(_MOST_ROWS, _BATCH_BYTES * len(some) // max(1, batch.nbytes)))


def _batch(columns: Sequence[Sequence[Any]], schema: pa.Schema, *, is_sqlite: bool) -> pa.RecordBatch:
    arrays = [
        _kind(field).from_sqlite(values) if is_sqlite else _kind(field).from_postgresql(values)
        for field, values in zip(schema, columns, strict=True)
    ]
    return pa.record_batch(arrays, schema=schema)


def has_columns(session: Session, name: str, columns: pa.Schema) -> bool:
    """Whether the database has a table of ours with these columns, each of a kind that is known here."""
    if name in (*LEFT_OUT, "alembic_version") or name not in tables_there(session):
        return False
    there = {each["name"] for each in inspect(session.connection()).get_columns(name)}
    return there.issuperset(columns.names) and all(_has_kind(field) for field in columns)


def _has_kind(field: pa.Field) -> bool:
    kind = KINDS.get((field.metadata or {}).get(_KIND, b"").decode("latin-1"))
    return kind is not None and field.type == kind.arrow


def add_batch(session: Session, name: str, batch: pa.RecordBatch) -> None:
    """Add rows to a table, which may have columns of its own that are filled by their defaults."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        columns = [_kind(field).to_sqlite(batch.column(field.name)) for field in batch.schema]
        _insert(connection, name, batch.schema.names, list(zip(*columns, strict=True)))
    else:
        columns = [_kind(field).to_postgresql(batch.column(field.name)) for field in batch.schema]
        _copy(connection, name, batch.schema.names, list(zip(*columns, strict=True)))


def _insert(connection: Connection, name: str, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
    statement = f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
    for start in range(0, len(rows), MOST_TUPLES):
        connection.exec_driver_sql(statement, rows[start : start + MOST_TUPLES])


def _copy(connection: Connection, name: str, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
    statement = f"COPY {name} ({', '.join(columns)}) FROM STDIN"
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        raise as_driver_error(connection, statement, error) from error


def _kind(field: pa.Field) -> Any:
    return KINDS[field.metadata[_KIND].decode()]


def count_rows(session: Session) -> dict[str, int]:
    """How many rows each table has, of those that have any and are copied, whatever revision they are of."""
    counts: dict[str, int] = {}
    for name in tables_there(session):
        if name not in LEFT_OUT and name != "alembic_version":
            counts[name] = session.scalar(select(func.count()).select_from(table(name))) or 0
    return {name: count for name, count in counts.items() if count}


def objects_with_numbers(session: Session) -> list[UUID]:
    """The ids of all objects that datasets have their numbers in."""
    query = select(Dataset.object_id).where(Dataset.numbers.is_(None)).distinct()
    return list(session.scalars(query.order_by(Dataset.object_id)))
