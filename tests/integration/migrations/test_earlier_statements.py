"""What earlier code sends to the database goes on working on the newest schema, while a deployment rolls.

earlier/statements.py has recorded it, and says when to record anew. All of it is sent again, with its values, in one
transaction: a column that is gone or renamed, one more that has to be written, a key that is none any more fails. What
was not used then, and what goes by COPY, is held by test_migrations_that_only_add.py, which compares the schemas.
"""

import json
from base64 import b64decode
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from integration.migrations.test_migrations_that_only_add import ROLLS_FROM
from psycopg.types.json import Jsonb
from sqlalchemy.exc import DBAPIError

from service.store.database import Database

FOLDER = Path(__file__).parent / "earlier" / "statements"
REVISIONS = sorted({file.name[:4] for file in FOLDER.glob("*.json")})
_KINDS: dict[str, Any] = {
    "bytes": b64decode,
    "datetime": datetime.fromisoformat,
    "wrapped": lambda content: content if isinstance(content, bytes) else Jsonb(content),
    "timedelta": lambda seconds: timedelta(seconds=seconds),
    "UUID": UUID,
}


def statements_of(revision: str, database: Database) -> list[dict[str, Any]]:
    kind = "sqlite" if database.is_sqlite else "postgresql"
    found: list[dict[str, Any]] = json.loads(
        (FOLDER / f"{revision}-{kind}.json").read_text("utf-8"), object_hook=_value
    )
    return found


def _value(value: dict[str, Any]) -> Any:
    """What the listener has noted with its kind."""
    kind = next(iter(value), "")
    return _KINDS[kind](value[kind]) if len(value) == 1 and kind in _KINDS else value


def send_all(connection: sa.Connection, statements: list[dict[str, Any]]) -> None:
    """As the drivers took them: of many rows a list, of each its values in their order or by name."""
    for each in statements:
        parameters = each["parameters"]
        rows = [_row(row) for row in parameters] if each["many"] else _row(parameters)
        connection.exec_driver_sql(each["statement"], rows)


def _row(values: Any) -> Any:
    return tuple(values) if isinstance(values, list) else values


def test_statements_are_recorded_of_the_version_that_a_deployment_rolls_from() -> None:
    assert ROLLS_FROM in REVISIONS


@pytest.mark.parametrize("revision", REVISIONS)
def test_what_earlier_code_sends_is_taken_by_the_newest_schema(database: Database, revision: str) -> None:
    with database.writer.connect() as connection:
        send_all(connection, statements_of(revision, database))
        assert connection.exec_driver_sql("SELECT count(*) FROM jobs").scalar_one() > 0
        connection.rollback()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE jobs RENAME COLUMN fingerprint TO print",
        "ALTER TABLE events ADD COLUMN room TEXT NOT NULL",
        "ALTER TABLE aliases DROP CONSTRAINT aliases_pkey",
        "DROP TABLE sweeps CASCADE",
    ],
)
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_what_earlier_code_would_fail_on_is_noticed(database: Database, change: str) -> None:
    with database.writer.connect() as connection:
        connection.exec_driver_sql(change)
        with pytest.raises(DBAPIError):
            send_all(connection, statements_of(REVISIONS[-1], database))
        connection.rollback()
