"""Jobs that each earlier Slope has left are answered by this one: all migrations keep what came before them."""

import base64
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from sqlalchemy.dialects.postgresql import ARRAY
from workbench import FakeQueue, check_schema

from service.api.app import create_app
from service.settings import Settings
from service.storage import storage_at
from service.store import schema
from service.store.database import Database

RECORDED = {file.stem: json.loads(file.read_text()) for file in (Path(__file__).parent / "earlier").glob("*.json")}
"""By revision; see earlier/record.py. The code of the time of 0014 could train nothing."""


@pytest.fixture
def grown(empty_database: Database, tmp_path: Path) -> Database:
    """A database that has gone through every schema, with jobs from the time of each."""
    storage = storage_at((tmp_path / "objects").as_uri())
    for revision, recorded in sorted(RECORDED.items()):
        schema.upgrade_schema(empty_database, revision, storage=storage)
        for name, content in recorded["objects"].items():
            storage.put(name, base64.b64decode(content))
        with empty_database.writer.begin() as connection:
            for table in sorted(recorded["rows"], key=_by_reference):
                _insert(connection, table, recorded["rows"][table])
    schema.upgrade_schema(empty_database, storage=storage)
    check_schema(empty_database)
    return empty_database


def _by_reference(table: str) -> int:
    return ["datasets", "sweeps", "jobs"].index(table) if table in ("datasets", "sweeps", "jobs") else 3


def _insert(connection: sa.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    types = {column["name"]: column["type"] for column in sa.inspect(connection).get_columns(table)}
    names = list(rows[0])
    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"
    connection.execute(sa.text(statement), [{name: _value(row[name], types[name]) for name in names} for row in rows])


def _value(value: Any, type_: Any) -> Any:
    """As the driver takes it: what is recorded came from SQLite."""
    if isinstance(value, dict):
        return base64.b64decode(value["base64"])
    if isinstance(type_, ARRAY) and value is not None:
        return json.loads(value)
    if isinstance(type_, sa.Boolean):
        return bool(value)
    if isinstance(type_, sa.DateTime) and type_.timezone and value is not None:
        return f"{value}+00"
    return value


def test_jobs_of_every_earlier_schema_are_answered_with_the_numbers_that_they_had(
    grown: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = Settings(
        data_dir=tmp_path,
        database_url=grown.url.render_as_string(hide_password=False),
        storage_url=(tmp_path / "objects").as_uri(),
        broker_url=f"redis+socket://{tmp_path}/none.sock",
    )
    monkeypatch.setattr("service.api.app.Database", lambda _url, fails_fast: grown)
    with TestClient(create_app(chosen, FakeQueue())) as client:
        for recorded in RECORDED.values():
            for row in recorded["rows"]["jobs"]:
                _check(client, row, recorded["rows"])
            _check_names(client, recorded["rows"])


def _check(client: TestClient, row: dict[str, Any], rows: dict[str, Any]) -> None:
    job = client.get(f"/v1/jobs/{UUID(row['id'])}").json()
    assert (job["status"], job["weights"], job["loss"]["last"]) == (
        "succeeded",
        json.loads(row["weights"]),
        row["loss_last"],
    )
    epochs = client.get(f"/v1/jobs/{job['id']}/epochs").json()["data"]
    expected = [each for each in rows["epochs"] if each["job_id"] == row["id"]]
    assert [(each["epoch"], each["loss"], each["weights"]) for each in epochs] == [
        (each["epoch"], each["loss"], json.loads(each["weights"])) for each in expected
    ]
    steps = client.get(f"/v1/jobs/{job['id']}/epochs/1/steps").json()["data"]
    assert [each["loss"] for each in steps] == [
        each["loss"] for each in rows["steps"] if (each["job_id"], each["epoch"]) == (row["id"], 1)
    ]
    graph = client.get(f"/v1/jobs/{job['id']}/epochs/1/steps/0/graph")
    assert graph.status_code == 200, graph.text
    predicted = client.post(f"/v1/jobs/{job['id']}/predict", json={"x": [[1.0] * len(job["weights"])]})
    assert predicted.status_code == 200, predicted.text
    assert client.get(f"/v1/datasets/{job['dataset']['id']}/rows").json()["data"][2]["y"] > 0


def _check_names(client: TestClient, rows: dict[str, Any]) -> None:
    """What has been named since there are such things."""
    for alias in rows.get("aliases", ()):
        assert client.get(f"/v1/jobs/{alias['name']}").json()["id"] == alias["job_id"]
    for noun in ("keys", "webhooks"):
        for row in rows.get(noun, ()):
            assert client.get(f"/v1/{noun}/{row['id']}").json()["name"] == row["name"]
