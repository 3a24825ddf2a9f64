"""While a deployment rolls, old processes work on the new schema: a migration adds, and takes nothing away.

What the code of a version writes and asks is fixed when it is released. It goes on working where every table, column
and key that it knows is still there, where what it does not know may be left out of an INSERT, and where nothing that
it writes is refused. What is not needed any more is taken away one release later, when nobody uses it.
"""

from typing import Any

import pytest
import sqlalchemy as sa

from service.store import schema
from service.store.database import Database

ROLLS_FROM = "0024"
"""The schema of the oldest version from which a deployment may roll to this one. To be moved forward at a release, when
earlier/statements.py records what that version sends.

Before it, 0024 gave aliases another primary key, on which older code relied; nothing had been released by then."""

Form = dict[str, Any]


def form_of(connection: sa.Connection) -> Form:
    """What statements rely on, of every table."""
    inspector = sa.inspect(connection)
    return {
        table: {
            "columns": {each["name"]: each for each in inspector.get_columns(table)},
            "keys": _keys(inspector, table),
            "checks": {each["sqltext"] for each in inspector.get_check_constraints(table)},
            "references": {tuple(each["constrained_columns"]) for each in inspector.get_foreign_keys(table)},
        }
        for table in [*inspector.get_table_names(), *inspector.get_view_names()]
        if table != "alembic_version"
    }


def _keys(inspector: sa.Inspector, table: str) -> set[tuple[str, ...]]:
    """Columns that have no two rows alike: what ON CONFLICT may name."""
    unique = [each["column_names"] for each in inspector.get_unique_constraints(table)]
    unique += [each["column_names"] for each in inspector.get_indexes(table) if each["unique"]]
    return {tuple(each) for each in [*unique, inspector.get_pk_constraint(table)["constrained_columns"]] if each}


def broken_by(before: Form, after: Form) -> list[str]:
    """Why code that knows the first form may fail on the second."""
    gone = [f"{table} is gone" for table in before.keys() - after.keys()]
    changed = [
        f"{table}: {why}" for table in before.keys() & after.keys() for why in _changes(before[table], after[table])
    ]
    return sorted(gone + changed)


def _changes(before: Form, after: Form) -> list[str]:
    old, new = before["columns"], after["columns"]
    found = [f"{name} is gone" for name in old.keys() - new.keys()]
    for name in old.keys() & new.keys():
        if str(old[name]["type"]) != str(new[name]["type"]):
            found.append(f"{name} has another type")
        if old[name]["nullable"] and not new[name]["nullable"]:
            found.append(f"{name} may not be null any more")
    for name in new.keys() - old.keys():
        if not (new[name]["nullable"] or new[name]["default"]):
            found.append(f"{name} has to be written")
    found += [f"{', '.join(columns)} is no key any more" for columns in before["keys"] - after["keys"]]
    for what in ("keys", "checks", "references"):
        found += [f"there is one more of its {what}: {each}" for each in after[what] - before[what]]
    return found


def test_migrations_since_the_version_that_a_deployment_rolls_from_only_add(empty_database: Database) -> None:
    forms = []
    for revision in (ROLLS_FROM, "head"):
        schema.upgrade_schema(empty_database, revision)
        with empty_database.writer.connect() as connection:
            forms.append(form_of(connection))

    assert len(forms[0]) > 10
    assert broken_by(*forms) == []


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("DROP TABLE partitions", "partitions is gone"),
        ("DROP VIEW gradient_values", "gradient_values is gone"),
        ("ALTER TABLE jobs RENAME COLUMN fingerprint TO print", "jobs: fingerprint is gone"),
        ("ALTER TABLE jobs ADD COLUMN room TEXT NOT NULL", "jobs: room has to be written"),
        ("ALTER TABLE jobs ALTER COLUMN name SET NOT NULL", "jobs: name may not be null any more"),
        ("ALTER TABLE jobs ALTER COLUMN seconds TYPE real", "jobs: seconds has another type"),
        ("ALTER TABLE aliases DROP CONSTRAINT aliases_pkey", "aliases: owner, name is no key any more"),
        ("CREATE UNIQUE INDEX one ON jobs (name)", "jobs: there is one more of its keys: ('name',)"),
        ("ALTER TABLE jobs ADD CHECK (epochs < 9)", "jobs: there is one more of its checks: epochs < 9"),
    ],
)
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_what_old_code_would_fail_on_is_noticed(database: Database, statement: str, reason: str) -> None:
    with database.writer.connect() as connection:
        before = form_of(connection)
        connection.exec_driver_sql(statement)
        found = broken_by(before, form_of(connection))
        connection.rollback()
    assert found == [reason]
