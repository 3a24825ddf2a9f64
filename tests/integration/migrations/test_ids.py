"""Migration 0009: ids of SQLite with dashes, and `metadata` by its name; nothing else of what was stored changes."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError
from workbench import change, check_schema, claimed, request, storage

from service.store import schema
from service.store.database import Database
from service.store.tables import Epoch, Partition, Step, Sweep, Table


def fill(database: Database) -> UUID:
    """Rows in all tables that have ids of others."""
    mine = claimed(database, request() | {"metadata": {"größe": 'a"b'}})
    of_job = {"job_id": mine.job_id, "epoch": 0, "loss": 0.1, "weights": [0.1, -0.0]}
    epoch = of_job | {"last_loss": 0.3, "gradient_norm": 1e300, "learning_rate": 0.1, "seconds": 5e-324}
    part = {"job_id": mine.job_id, "number": 0, "first_row": 0, "rows": 1, "worker_id": uuid4()}
    sweep = {"id": uuid4(), "created_at": datetime.now(UTC), "metadata_": {"a": "b"}, "spec": {}, "swept": []}
    rows: list[tuple[type[Table], dict[str, Any]]] = [
        (Epoch, epoch),
        (Step, of_job | {"step": 0, "gradient_weights": [1.0, 2.0]}),
        (Partition, part),
        (Sweep, sweep),
    ]
    for table, row in rows:
        change(database, lambda session, table=table, row=row: session.execute(insert(table), [row]))
    return mine.job_id


def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, as the driver gives them."""
    with database.reader.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(text(f"SELECT * FROM {table.name}"))]
            for table in Table.metadata.sorted_tables
        }


def values_of(database: Database, statement: str) -> set[Any]:
    with database.reader.connect() as connection:
        return set(connection.execute(text(statement)).scalars())


@pytest.fixture(autouse=True)
def _numbers_in_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that is taken back further moves numbers from rows to objects, where they stay."""
    monkeypatch.setattr("service.data.new_datasets.MOST_IN_ROW", 0)


def test_all_rows_are_the_same_when_the_migration_is_taken_back_and_made_again(own_database: Database) -> None:
    fill(own_database)
    before = everything(own_database)
    assert all(before[table] for table in ("datasets", "jobs", "epochs", "steps", "events", "partitions", "sweeps"))

    schema.downgrade_schema(own_database, "0008", storage=storage())
    schema.upgrade_schema(own_database, storage=storage())

    assert everything(own_database) == before
    check_schema(own_database)


def test_ids_without_dashes_become_those_of_the_api(own_database: Database) -> None:
    job_id = fill(own_database)
    schema.downgrade_schema(own_database, "0008", storage=storage())
    old = job_id.hex if own_database.is_sqlite else job_id
    assert values_of(own_database, "SELECT id FROM jobs") == {old}
    assert values_of(own_database, "SELECT job_id FROM epochs") == {old}

    schema.upgrade_schema(own_database, storage=storage())

    new = str(job_id) if own_database.is_sqlite else job_id
    assert values_of(own_database, "SELECT id FROM jobs") == {new}
    assert values_of(own_database, "SELECT job_id FROM gradient_values") == {new}


def test_foreign_keys_hold_after_the_migration(own_database: Database) -> None:
    job_id = fill(own_database)
    schema.downgrade_schema(own_database, "0008", storage=storage())
    schema.upgrade_schema(own_database, storage=storage())

    with pytest.raises(IntegrityError), own_database.writer.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO snapshots VALUES ('{uuid4()}', 0, '')")
    with own_database.writer.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM jobs WHERE id = '{job_id}'")
    assert values_of(own_database, "SELECT job_id FROM epochs UNION SELECT job_id FROM steps") == set()


@pytest.mark.parametrize("own_database", ["sqlite"], indirect=True)
def test_sqlite_finds_nothing_wrong_with_the_migrated_file(own_database: Database) -> None:
    fill(own_database)
    schema.downgrade_schema(own_database, "0008", storage=storage())
    schema.upgrade_schema(own_database, storage=storage())

    assert values_of(own_database, "PRAGMA integrity_check") == {"ok"}
    assert values_of(own_database, "PRAGMA foreign_key_check") == set()
    assert values_of(own_database, "SELECT name FROM sqlite_schema WHERE sql LIKE '%CHAR(32)%'") == set()
