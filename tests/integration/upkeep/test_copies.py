"""Backups: what is copied while the service works is one moment, goes into either kind of database, and is whole."""

import gc
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from hashlib import sha256
from math import isnan
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self
from uuid import UUID, uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, strategies
from hypothesis import settings as bounded
from sqlalchemy import create_engine, delete, insert, inspect, select, text, update
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from uuid_utils.compat import uuid7
from workbench import (
    LECTURE,
    MANY_ROWS,
    FakeQueue,
    change,
    claim,
    columns,
    pass_an_hour,
    read,
    request,
    submit,
    submit_sweep,
)

from service.data.numbers import load_job_data, object_name
from service.errors import DatabaseUnavailable, NotDone, ObjectMissing, SchemaMissing
from service.jobs import aliases
from service.jobs.jobs import delete_job
from service.settings import Settings
from service.storage import Bucket, Folder, Storage, storage_at
from service.store import holds, schema
from service.store.copies import tables
from service.store.copies.digests import TableDigest
from service.store.database import Database
from service.store.leases.lost_leases import release_all
from service.store.tables import Dataset, Epoch, Hold, Job, RowPass, Step, Table
from service.upkeep import garbage
from service.upkeep.copies.backup import make_backup
from service.upkeep.copies.manifest import MANIFEST, Manifest, check_copy
from service.upkeep.copies.restore import restore_backup
from worker.attempt import run_attempt
from worker.devices import Device
from worker.process import Process

Rows = dict[str, list[dict[str, Any]]]
LONG = request(epochs=60, batch_size=1, engine="eager", dtype="float64", record={"steps": "all"}) | {"predict": [7.0]}


@pytest.fixture
def place(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "backup")


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """A storage of this test's own."""
    monkeypatch.setenv("SLOPE_STORAGE_URL", (tmp_path / "objects").as_uri())
    return storage_at((tmp_path / "objects").as_uri())


@pytest.fixture
def elsewhere(tmp_path: Path) -> Storage:
    return Folder(tmp_path / "restored")


def rows_of_all(database: Database) -> Rows:
    """All that is copied, as SQLAlchemy reads it."""
    with database.reading() as session:
        return {
            table.name: [dict(row) for row in session.execute(select(table).order_by(*table.primary_key)).mappings()]
            for table in Table.metadata.sorted_tables
            if table.name not in tables.LEFT_OUT
        }


def filled(database: Database, trained: Callable[[dict[str, Any]], UUID]) -> UUID:
    """Rows of many kinds; the job that has an object."""
    diverged = trained(LECTURE)
    aliases.put_alias(database, "best", diverged)
    numbers = {"weights": [float("inf"), float("nan"), -0.0], "bias": -0.0, "loss_last": float("nan")}
    change(database, lambda session: session.execute(update(Job).where(Job.id == diverged).values(**numbers)))
    trained(request() | {"metadata": {"größe": 'a"b', "a": "−0"}})
    submit_sweep(database, MANY_ROWS | {"grid": {"learning_rate": [0.1, 0.2]}})
    found = {"job_id": trained(MANY_ROWS), "name": "HC3", "result": {"b": [1e-320, -0.0], "a": None}, "attempt": 1}
    change(database, lambda session: session.execute(insert(RowPass), [found]))
    return UUID(str(found["job_id"]))


def cut(database: Database, settings: Settings, job_id: UUID) -> None:
    """Train a job for a while, by a process that dies: it has the lease."""

    class Death(Event):
        left = 30

        def is_set(self) -> bool:
            self.left -= 1
            if not self.left:
                raise SystemExit
            return False

    with pytest.raises(SystemExit):
        train(database, settings.model_copy(update={"flush_epochs": 5}), job_id, Death())


def train(database: Database, settings: Settings, job_id: UUID, stopping: Event | None = None) -> None:
    device, stopping = Device("cpu", "the test's"), stopping or Event()
    process = Process(settings, database, [device], uuid7(), FakeQueue(), stopping=stopping)
    mine = claim(database, job_id, worker_id=process.worker_id)
    assert mine
    run_attempt(process, mine)


def numbers_of(database: Database, job_id: UUID) -> list[Any]:
    """All that a job has recorded, but for the seconds it took."""
    with database.reading() as session:
        return [_records(session, table, job_id) for table in (Epoch.__table__, Step.__table__)]


def _records(session: Session, table: Any, job_id: UUID) -> list[Any]:
    columns = [column for column in table.columns if column.name not in ("job_id", "seconds")]
    query = select(*columns).where(table.c.job_id == job_id).order_by(*table.primary_key)
    return list(session.execute(query).all())


@pytest.mark.parametrize(
    ("database", "empty_database"), [("sqlite", "postgresql"), ("postgresql", "sqlite")], indirect=True
)
def test_what_is_restored_is_what_was_copied_and_a_job_that_ran_goes_on_to_the_same_bits(
    database: Database,
    empty_database: Database,
    kept: Storage,
    settings: Settings,
    trained: Callable[[dict[str, Any]], UUID],
    place: Folder,
    elsewhere: Storage,
) -> None:
    with_object = filled(database, trained)
    whole, running = trained(LONG), submit(database, LONG)
    cut(database, settings, running)
    before = rows_of_all(database)

    made = make_backup(database, kept, place)
    done = restore_backup(empty_database, elsewhere, place)

    after = rows_of_all(empty_database)
    assert done.returned == 1
    assert done.manifest == made
    assert {name: len(rows) for name, rows in before.items()} == {table.name: table.rows for table in made.tables}
    assert without(after, running) == without(before, running)
    job = columns(empty_database, running)
    assert (job["status"], job["lease_token"], job["lease_until"], job["worker_id"]) == ("queued", None, None, None)
    assert 0 < job["epochs_done"] < 60
    paused, restored = read(empty_database, running).events[-2:]
    assert (paused.status, paused.at, restored.detail) == ("paused", made.created_at, "Restored from a backup")
    train(empty_database, settings, running)
    assert numbers_of(empty_database, running) == numbers_of(database, whole)
    with empty_database.reading() as session:
        job_with_object = session.get(Job, with_object)
        assert job_with_object
        assert load_job_data(elsewhere, job_with_object).x.tolist() == [[x] for x in MANY_ROWS["dataset"]["x"]]


def test_the_time_between_backup_and_restore_is_no_time_of_jobs_that_had_begun(
    database: Database, settings: Settings
) -> None:
    runs, waits, fresh = (submit(database, LECTURE | {"timeout_seconds": 60.0}) for _ in range(3))
    for job_id in (runs, waits):
        claim(database, job_id)
    change(database, lambda session: session.execute(update(Job).where(Job.id == waits).values(status="queued")))
    change(database, pass_an_hour)

    made = datetime.now(UTC) - timedelta(hours=1) + timedelta(seconds=5)
    change(database, lambda session: release_all(session, made, "Restored from a backup"))
    for job_id in (runs, waits, fresh):
        train(database, settings, job_id)

    assert {read(database, job_id).status for job_id in (runs, waits, fresh)} == {"succeeded"}
    assert "paused" not in [event.status for event in read(database, fresh).events]


class HourBehind(datetime):
    """The clock of a host."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) - timedelta(hours=1)


def test_the_moment_of_a_backup_is_by_the_clock_that_the_times_of_jobs_are_of(
    database: Database, kept: Storage, place: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that began just before is else taken for one that began after it."""
    job_id = submit(database)
    claim(database, job_id)
    monkeypatch.setattr("service.upkeep.copies.backup.datetime", HourBehind)

    made = make_backup(database, kept, place)

    assert made.created_at >= read(database, job_id).events[-1].at


def without(rows: Rows, running: UUID) -> Rows:
    """Rows that the restored job does not change, as text: −0.0 is not 0.0 there."""
    return {
        name: [
            {key: _as_text(key, value) for key, value in row.items()}
            for row in some
            if running not in (row.get("id"), row.get("job_id"))
        ]
        for name, some in rows.items()
    }


def _as_text(name: str, value: Any) -> str:
    """PostgreSQL has an order of its own for the names in metadata, and a zone for every moment; SQLite has null for
    NaN, and no −0.0 but in vectors."""
    if name == "metadata":
        return repr(sorted(value.items()))
    if isinstance(value, float):
        return repr(None if isnan(value) else value + 0.0)
    return repr(value.astimezone(UTC) if isinstance(value, datetime) else value)


def test_every_job_that_was_accepted_before_a_backup_under_load_is_in_it(
    database: Database, sqlite_url: str, kept: Storage, settings: Settings, elsewhere: Storage, tmp_path: Path
) -> None:
    place = Bucket(f"memory:///{tmp_path.name}")
    accepted, trained_ids, done = [submit(database, LONG)], [], Event()

    def submit_and_train() -> None:
        while not done.is_set():
            accepted.append(submit(database, request(epochs=20) if len(accepted) % 2 else MANY_ROWS))
            train(database, settings, accepted[-1])
            trained_ids.append(accepted[-1])

    working = Thread(target=submit_and_train)
    working.start()
    while len(trained_ids) < 3:
        done.wait(0.01)
    before, ended = list(accepted), list(trained_ids)
    make_backup(database, kept, place)
    done.set()
    working.join()

    restored = Database(sqlite_url)
    restore_backup(restored, elsewhere, place)

    assert set(before) <= {row["id"] for row in rows_of_all(restored)["jobs"]}
    for job_id in ended:
        assert columns(restored, job_id)["status"] == "succeeded"
        assert numbers_of(restored, job_id) == numbers_of(database, job_id)
    for each in (database, restored):
        train(each, settings, accepted[0])
    assert numbers_of(restored, accepted[0]) == numbers_of(database, accepted[0])
    restored.dispose()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_object_of_a_dataset_that_is_deleted_meanwhile_is_in_the_backup_and_goes_later(
    database: Database, kept: Storage, place: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(database, MANY_ROWS)
    name = object_name(columns_of_dataset(database, job_id))

    def delete_meanwhile(words: str) -> None:
        if words == "Copying jobs":
            delete_job(database, kept, job_id)
            monkeypatch.setattr(garbage, "_GRACE", -garbage._GRACE)
            assert garbage.collect_garbage(database, kept, tmp_path / "spool") == []

    made = make_backup(database, kept, place, delete_meanwhile)

    assert [each.name for each in made.objects] == [name]
    assert check_copy(place) == made
    assert garbage.collect_garbage(database, kept, tmp_path / "spool") == [name]


def columns_of_dataset(database: Database, job_id: UUID) -> UUID:
    object_id: UUID = read(database, job_id).dataset.object_id
    return object_id


def test_a_hold_that_has_ended_is_not_taken_for_one_that_lasts(database: Database) -> None:
    hold_id = uuid4()
    change(database, lambda session: holds.begin_hold(session, hold_id, -1.0))

    assert not database.query(holds.are_objects_held)
    assert not change(database, lambda session: holds.extend_hold(session, hold_id, 60.0))
    change(database, lambda session: holds.begin_hold(session, uuid4(), 60.0))
    assert database.query(holds.are_objects_held)
    with database.reading() as session:
        assert len(session.scalars(select(Hold)).all()) == 1, "what has ended is forgotten"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_backup_whose_hold_was_lost_is_not_taken_for_a_whole_one(
    database: Database, kept: Storage, place: Folder
) -> None:
    def lose(words: str) -> None:
        if words == "Copying jobs":
            change(database, lambda session: session.execute(delete(Hold)))

    with pytest.raises(NotDone, match="objects may be gone"):
        make_backup(database, kept, place, lose)

    with pytest.raises(NotDone, match="no whole backup"):
        check_copy(place)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("moment", ["between tables", "in a table"])
def test_a_backup_whose_connection_breaks_is_none_and_leaves_no_cursor_open(
    database: Database, kept: Storage, place: Folder, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(database)
    ends = text(  # not its own connection: its end would spare those that come after it
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    stock = tables._batch

    def break_all(when: str) -> None:
        if when == moment:
            with create_engine(database.url, poolclass=NullPool).connect() as another:
                another.execute(ends)

    def batch(*arguments: Any, **named: Any) -> pa.RecordBatch:
        break_all("in a table")
        return stock(*arguments, **named)

    monkeypatch.setattr(tables, "_batch", batch)
    with pytest.raises(DatabaseUnavailable):
        make_backup(database, kept, place, lambda said: break_all("between tables" if said == "Copying jobs" else ""))
    gc.collect()  # it would warn of what was left open

    with pytest.raises(NotDone, match="no whole backup"):
        check_copy(place)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_backup_that_lacks_an_object_is_none(database: Database, kept: Storage, place: Folder) -> None:
    name = object_name(columns_of_dataset(database, submit(database, MANY_ROWS)))
    kept.delete(name)

    with pytest.raises(ObjectMissing, match=name):
        make_backup(database, kept, place)

    assert MANIFEST not in {each.name for each in place.everything()}
    assert not database.query(holds.are_objects_held), "the next deletion need not wait"


@pytest.fixture
def copied(request: pytest.FixtureRequest, kept: Storage, place: Folder) -> Folder:
    """A backup with a job that has an object, made of SQLite."""
    database = Database(request.getfixturevalue("sqlite_url"))
    submit(database, MANY_ROWS)
    make_backup(database, kept, place)
    database.dispose()
    return place


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/target.db")
    yield database
    database.dispose()


@pytest.mark.parametrize("damage", ["changed", "cut", "missing"])
@pytest.mark.parametrize("kind", ["jobs-", "object"])
def test_a_damaged_backup_is_refused_by_the_name_of_its_file_and_nothing_changes(
    copied: Folder, target: Database, elsewhere: Storage, tmp_path: Path, damage: str, kind: str
) -> None:
    [file] = [
        each
        for each in (tmp_path / "backup").iterdir()
        if (each.name.startswith(kind) if kind != "object" else len(each.name) > 36)
    ]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(content if damage == "changed" else content[:-1])

    for act in (lambda: check_copy(copied), lambda: restore_backup(target, elsewhere, copied)):
        with pytest.raises(NotDone, match=file.name):
            act()

    assert inspect(target.reader).get_table_names() == []
    assert list(elsewhere.everything()) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"revision": "9999"}, "newer Slope"), ({"format": 2}, "newer Slope"), ({"slope": None}, "slope")],
    ids=["revision", "format", "no version"],
)
def test_a_backup_that_this_version_cannot_read_is_refused(
    copied: Folder, target: Database, elsewhere: Storage, change: dict[str, Any], sentence: str
) -> None:
    manifest = check_copy(copied).model_dump(mode="json") | change
    copied.put(MANIFEST, Manifest.model_construct(**manifest).model_dump_json(warnings=False).encode())

    with pytest.raises(NotDone, match=sentence):
        restore_backup(target, elsewhere, copied)


ELSEWHERE = ["../escaped", "/etc/hostname", "..", "a/../../b", "", "a\n", ".hidden"]


@pytest.mark.parametrize("name", ELSEWHERE, ids=ascii)
def test_a_backup_that_names_a_file_elsewhere_is_refused(
    copied: Folder, target: Database, elsewhere: Storage, name: str
) -> None:
    """Somebody else may have made it: nothing is read from, or written to, where it does not belong."""
    manifest = check_copy(copied).model_dump(mode="json")
    manifest["objects"][0]["name"] = name
    copied.put(MANIFEST, Manifest.model_construct(**manifest).model_dump_json(warnings=False).encode())

    with pytest.raises(NotDone, match="name"):
        restore_backup(target, elsewhere, copied)
    assert list(elsewhere.everything()) == []


def test_a_backup_that_leads_to_what_has_no_end_is_read_no_further_than_it_says(copied: Folder, tmp_path: Path) -> None:
    endless = next((tmp_path / "backup").glob("jobs-*"))
    endless.unlink()
    endless.symlink_to("/dev/zero")

    with pytest.raises(NotDone, match=endless.name):
        check_copy(copied)


@pytest.mark.parametrize("table", ["sqlite_master", "alembic_version", "workers", "jobs", "jobs FROM PROGRAM"])
def test_what_a_backup_calls_tables_and_columns_gets_into_no_statement(
    copied: Folder, empty_database: Database, elsewhere: Storage, table: str
) -> None:
    manifest = check_copy(copied).model_dump(mode="json")
    known = next(each for each in manifest["tables"] if each["name"] == "jobs")
    column = pa.field("id) SELECT 1; --", pa.string(), metadata={b"kind": b"id"})
    content = as_parquet(pa.table({"": ["x"]}).rename_columns([column.name]).cast(pa.schema([column])))
    copied.put("other.parquet", content)
    file = {"name": "other.parquet", "size": len(content), "sha256": sha256(content).hexdigest()}
    manifest["tables"] = [known | {"name": table, "files": [file]}]
    copied.put(MANIFEST, Manifest.model_construct(**manifest).model_dump_json(warnings=False).encode())

    with pytest.raises(NotDone, match="tables.0.name" if " " in table else "fit no table"):
        restore_backup(empty_database, elsewhere, copied)


def as_parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


EARLIER = "0021"


@pytest.fixture
def nothing_newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup has what there was in an earlier schema, and no table or column besides."""
    database, all_tables = Database(f"sqlite:///{tmp_path}/earlier.db"), tables.copied_tables
    schema.upgrade_schema(database, EARLIER)
    there = inspect(database.reader)
    known = {name: {each["name"] for each in there.get_columns(name)} for name in there.get_table_names()}
    database.dispose()

    def tables_of_then() -> dict[str, pa.Schema]:
        newest = {name: columns for name, columns in all_tables().items() if name in known}
        return {
            name: pa.schema([each for each in columns if each.name in known[name]]) for name, columns in newest.items()
        }

    monkeypatch.setattr(tables, "copied_tables", tables_of_then)


@pytest.mark.usefixtures("nothing_newer")
def test_a_backup_of_an_earlier_schema_is_restored_and_brought_to_the_newest(
    copied: Folder, target: Database, elsewhere: Storage
) -> None:
    earlier = check_copy(copied).model_copy(update={"revision": EARLIER})
    copied.put(MANIFEST, earlier.model_dump_json().encode())

    restore_backup(target, elsewhere, copied)

    assert schema.is_current(target)
    assert len(rows_of_all(target)["jobs"]) == 1


@pytest.mark.parametrize("own_database", ["postgresql"], indirect=True)
def test_a_target_that_is_not_empty_is_refused_unless_all_in_it_may_go(
    copied: Folder, own_database: Database, kept: Storage, elsewhere: Storage
) -> None:
    there = submit(own_database, request())
    with pytest.raises(NotDone, match="1 job"):
        restore_backup(own_database, elsewhere, copied)
    assert [row["id"] for row in rows_of_all(own_database)["jobs"]] == [there]

    restore_backup(own_database, elsewhere, copied, replace=True)

    assert there not in [row["id"] for row in rows_of_all(own_database)["jobs"]]
    assert check_copy(copied).rows_of("jobs") == len(rows_of_all(own_database)["jobs"]) == 1


def test_a_place_where_something_is_already_is_refused(copied: Folder, kept: Storage, database: Database) -> None:
    with pytest.raises(NotDone, match="something at that place"):
        make_backup(database, kept, copied)


def test_a_database_of_another_schema_is_not_copied(own_database: Database, kept: Storage, place: Folder) -> None:
    schema.downgrade_schema(own_database, "-1")

    with pytest.raises(SchemaMissing):
        make_backup(own_database, kept, place)


DOUBLES = strategies.floats(allow_nan=False, allow_infinity=False)
VECTORS = strategies.none() | strategies.lists(DOUBLES, max_size=4)


@bounded(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(strategies.lists(strategies.tuples(DOUBLES, VECTORS), min_size=1, max_size=5))
@example([(-0.0, [5e-324, -0.0]), (1.7976931348623157e308, []), (0.1, None)])
def test_any_numbers_come_back_to_the_bit(database: Database, rows: Sequence[tuple[float, list[float] | None]]) -> None:
    columns, numbers = tables.copied_tables()["steps"], select(Step.loss, Step.gradient_weights).order_by(Step.step)
    with database.writing() as session:
        job_id = submit_within(session)
        values = [
            {"job_id": job_id, "epoch": 0, "step": step, "loss": loss, "gradient_weights": vector, "weights": []}
            for step, (loss, vector) in enumerate(rows)
        ]
        session.execute(insert(Step), values)
        kept = session.execute(numbers).all()
        first, batches = TableDigest(), list(tables.read_table(session, "steps", columns))
        session.execute(delete(Step))
        for batch in batches:
            first.add(batch)
            tables.add_batch(session, "steps", batch)
        second = TableDigest()
        for batch in tables.read_table(session, "steps", columns):
            second.add(batch)
        assert repr(session.execute(numbers).all()) == repr(kept)
    assert first.rows == len(rows)
    assert second.hexdigest() == first.hexdigest()


def submit_within(session: Session) -> UUID:
    """The id of a job that is gone when the session ends."""
    dataset = {"id": uuid7(), "rows": 1, "columns": [], "is_inline": True, "content_hash": "", "size": 1}
    moment = holds.now(session)
    session.execute(insert(Dataset), [dataset | {"created_at": moment, "object_id": dataset["id"], "notes": []}])
    job = {"id": uuid7(), "dataset_id": dataset["id"], "features": [], "target": "y", "spec": {}, "predict": []}
    told = {"device": "cpu", "plan": {}, "status": "queued", "epochs": 1, "metadata_": {}, "created_at": moment}
    session.execute(insert(Job), [job | told])
    return UUID(str(job["id"]))
