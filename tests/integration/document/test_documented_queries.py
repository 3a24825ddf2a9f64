"""What SQL shows is what the API shows: an id that was copied from an answer finds its rows, on both databases."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, update
from workbench import LECTURE, change, claimed

from service.store.database import Database
from service.store.tables import Job, Partition

ROOT = Path(__file__).parents[3]
_BLOCK = re.compile(r"^```sql\n(.*?)^```", re.DOTALL | re.MULTILINE)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LONG = {"hyperparameters": LECTURE["hyperparameters"] | {"epochs": 40}}


def printed() -> list[str]:
    """Every statement of the README and of the documentation."""
    blocks = [
        block
        for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
        for block in _BLOCK.findall(page.read_text())
    ]
    return [statement.strip() for block in blocks for statement in block.split(";") if statement.strip()]


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    """As a shell would get them, which has no parameters and no types of ours."""
    with database.reader.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(statement)]


def test_there_are_queries_in_the_documentation() -> None:
    assert len(printed()) >= 4


@pytest.mark.parametrize("statement", [pytest.param(each, id=f"query {n}") for n, each in enumerate(printed())])
def test_a_query_of_the_documentation_finds_rows_as_it_is_printed(
    database: Database, trained: Callable[[dict[str, Any]], UUID], statement: str
) -> None:
    job_id, failed = trained(LECTURE | _LONG), trained(LECTURE)
    part = {"job_id": job_id, "number": 0, "first_row": 0, "rows": 3, "worker_id": uuid4(), "seconds": 0.5}
    change(database, lambda session: session.execute(insert(Partition), [part]))
    change(database, lambda session: session.execute(update(Job).where(Job.id == failed).values(status="failed")))

    found = rows(database, _ID.sub(str(job_id), statement))

    assert found
    assert found[0][0] is not None


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("jobs", "id"),
        ("epochs", "job_id"),
        ("steps", "job_id"),
        ("events", "job_id"),
        ("gradient_values", "job_id"),
    ],
)
def test_an_id_of_the_api_finds_its_rows_alone_and_by_an_index(
    database: Database, trained: Callable[[dict[str, Any]], UUID], table: str, column: str
) -> None:
    epochs = LECTURE["hyperparameters"] | {"record": {"steps": "all", "every": 1}}
    job_id, _ = trained(LECTURE | {"hyperparameters": epochs}), trained(LECTURE)
    condition = f"FROM {table} WHERE {column} = '{job_id}'"

    found = rows(database, f"SELECT {column} {condition}")

    assert found
    assert {str(each) for (each,) in found} == {str(job_id)}
    if database.is_sqlite:
        plan = [row[-1] for row in rows(database, f"EXPLAIN QUERY PLAN SELECT * {condition}")]
        stored = [step for step in plan if re.match(r"(SEARCH|SCAN) (jobs|epochs|steps|events)\b", step)]
        assert stored
        assert all(step.startswith("SEARCH") and "USING INDEX" in step for step in stored), plan


def test_ids_in_sql_are_written_as_the_api_writes_them(database: Database) -> None:
    mine = claimed(database)

    [row] = rows(database, "SELECT dataset_id, lease_token, worker_id FROM jobs")

    assert all(_ID.fullmatch(str(each)) for each in row)
    assert str(row[1]) == str(mine.token)


def test_metadata_is_called_that_in_sql(database: Database, trained: Callable[[dict[str, Any]], UUID]) -> None:
    job_id = trained(LECTURE)

    found = rows(database, "SELECT id FROM jobs WHERE metadata ->> 'course' = 'autograd'")

    assert [str(each) for (each,) in found] == [str(job_id)]
