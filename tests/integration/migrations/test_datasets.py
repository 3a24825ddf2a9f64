"""Migration 0002: rows that were blobs in SQL become objects with named columns, and can be taken back."""

import json
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
import sqlalchemy as sa
from uuid_utils.compat import uuid7
from workbench import check_schema, storage

from service.data import numbers
from service.store import schema
from service.store.database import Database
from service.store.jobs import jobs

X = np.array([[1.0, -0.0], [5e-324, 1.7976931348623157e308], [0.1, -3.5]])
Y = np.array([0.0, -0.0, 2.5e-310])


@pytest.fixture
def old_database(own_database: Database) -> Database:
    """With the schema of the time when a dataset was two blobs."""
    schema.downgrade_schema(own_database, "0001")
    return own_database


def add_dataset(database: Database, x: Any, y: Any) -> UUID:
    dataset_id = uuid4()
    values = {"rows": x.shape[0], "features": x.shape[1], "x": x.tobytes(), "y": y.tobytes()}
    _insert(database, "datasets", {"id": dataset_id, "created_at": _MOMENT} | values)
    return dataset_id


def add_job(database: Database, dataset_id: UUID) -> UUID:
    """A queued job with one epoch on record."""
    job_id = uuid4()
    texts = {"spec": "{}", "predict": "[]", "labels": "{}", "plan": "{}", "device": "cpu", "status": "queued"}
    numbers = {"version": 1, "attempt": 0, "crashes": 0, "event_count": 0, "epochs": 1, "epochs_done": 1, "seconds": 0}
    row = {"id": job_id, "created_at": _MOMENT, "dataset_id": dataset_id, "cancel_requested": False}
    _insert(database, "jobs", row | texts | numbers)
    epoch = {"job_id": job_id, "epoch": 0, "loss": 1.0, "last_loss": 1.0, "gradient_norm": 1.0}
    weights = "[]" if database.is_sqlite else "{}"
    _insert(database, "epochs", epoch | {"weights": weights, "learning_rate": 0.1, "seconds": 0.1})
    return job_id


def blobs(database: Database) -> set[tuple[bytes, bytes, int]]:
    with database.writer.begin() as connection:
        rows = connection.execute(sa.text("SELECT x, y, features FROM datasets"))
        return {(bytes(row.x), bytes(row.y), row.features) for row in rows}


def test_blobs_become_objects_of_the_same_bits_and_jobs_keep_their_records(old_database: Database) -> None:
    job_id = add_job(old_database, add_dataset(old_database, X, Y))

    schema.upgrade_schema(old_database, storage=storage())

    check_schema(old_database)
    with old_database.reading() as session:
        job = jobs.find_job(session, job_id, with_numbers=True)
        assert job is not None
        assert (job.features, job.target, job.dataset.rows) == (["x0", "x1"], "y", 3)
        assert session.scalar(sa.text("SELECT count(*) FROM epochs")) == 1
    arrays = numbers.load_job_data(storage(), job)
    assert (arrays.x.tobytes(), arrays.y.tobytes()) == (X.tobytes(), Y.tobytes())


def test_datasets_that_are_the_same_become_one(old_database: Database) -> None:
    job_ids = [add_job(old_database, add_dataset(old_database, X[:, :1], Y)) for _ in range(3)]

    schema.upgrade_schema(old_database, storage=storage())

    with old_database.reading() as session:
        found = [jobs.find_job(session, job_id) for job_id in job_ids]
    assert len({job.dataset_id for job in found if job}) == 1
    assert {tuple(job.features) for job in found if job} == {("x",)}


def test_objects_become_blobs_again(old_database: Database) -> None:
    add_job(old_database, add_dataset(old_database, X, Y))
    add_dataset(old_database, X[:, :1], Y)
    before = blobs(old_database)
    schema.upgrade_schema(old_database, storage=storage())

    schema.downgrade_schema(old_database, "0001", storage=storage())

    assert blobs(old_database) == before
    with old_database.writer.begin() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM epochs")).scalar() == 1


def test_datasets_that_share_an_object_keep_the_older_schema_away(own_database: Database) -> None:
    dataset_id, shared = str(uuid4()), str(uuid4())
    row = {"created_at": _MOMENT, "rows": 1, "is_inline": False, "content_hash": "00", "size": 1}
    _insert(own_database, "datasets", row | {"id": shared, "object_id": shared, "columns": "[]"})
    _insert(own_database, "datasets", row | {"id": dataset_id, "object_id": shared, "columns": "[]"})

    with pytest.raises(ValueError, match=f"{dataset_id} has its numbers in another"):
        schema.downgrade_schema(own_database, "0009")


def test_numbers_in_rows_become_objects_of_the_same_bits(own_database: Database) -> None:
    columns = {"x": [-0.0, 5e-324], "y": [0.1, 1.7976931348623157e308]}
    row = {"created_at": _MOMENT, "rows": 2, "is_inline": True, "content_hash": "00", "size": 32, "columns": "[]"}
    dataset_id = uuid4()
    ids = {"id": str(dataset_id), "object_id": str(dataset_id)}
    _insert(own_database, "datasets", row | ids | {"numbers": json.dumps(columns)})
    with pytest.raises(ValueError, match="needs the storage"):
        schema.downgrade_schema(own_database, "0011")

    schema.downgrade_schema(own_database, "0011", storage=storage())

    [matrix] = numbers.read_columns(storage(), numbers.Kept(dataset_id, None), ["x", "y"])
    assert matrix.T.tobytes() == np.array([columns["x"], columns["y"]]).tobytes()


def test_without_a_storage_nothing_is_moved_and_nothing_lost(old_database: Database) -> None:
    add_dataset(old_database, X, Y)
    before = blobs(old_database)

    with pytest.raises(ValueError, match="needs the storage"):
        schema.upgrade_schema(old_database)

    assert blobs(old_database) == before


_MOMENT = "2026-01-01 00:00:00+00:00"


def _insert(database: Database, table: str, row: dict[str, Any]) -> None:
    values = {
        name: value.hex if database.is_sqlite and isinstance(value, UUID) else value for name, value in row.items()
    }
    statement = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})"
    with database.writer.begin() as connection:
        connection.execute(sa.text(statement), values)


def test_datasets_of_one_name_become_its_versions_in_the_order_in_which_they_came(own_database: Database) -> None:
    schema.downgrade_schema(own_database, "0012")
    row = {"created_at": _MOMENT, "rows": 1, "is_inline": False, "content_hash": "00", "size": 1, "columns": "[]"}
    for name in ("rents", None, "others", "rents"):
        dataset_id = str(uuid7())
        _insert(own_database, "datasets", row | {"id": dataset_id, "object_id": dataset_id, "name": name})

    schema.upgrade_schema(own_database)

    with own_database.reading() as session:
        found = session.execute(sa.text("SELECT name, version FROM datasets ORDER BY id")).all()
    assert [tuple(each) for each in found] == [("rents", 1), (None, None), ("others", 1), ("rents", 2)]
