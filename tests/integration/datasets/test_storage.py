"""Datasets when things go wrong: a storage that is away or full, objects left over, and data too large for a worker."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from integration.datasets.test_datasets import CSV, post, uploaded
from sqlalchemy import update
from uuid_utils.compat import uuid7
from workbench import LECTURE, MANY_ROWS, FakeQueue, change, problem_of, read, request, rows_of_every_table, submit

from service.api.app import create_app
from service.data.new_datasets import NewDataset, ensure_stored, inline_dataset
from service.data.numbers import Arrays, object_name
from service.errors import StorageUnavailable
from service.settings import Settings
from service.storage import Folder, storage_at
from service.store import datasets, workers
from service.store.database import Database, now
from service.store.tables import Dataset, Job, Worker
from service.upkeep import doctor, garbage
from slope.engines.costs import COSTS, Cost
from slope.spec import InlineData
from worker.process import Process, memory_for_training
from worker.upkeep.broker_monitor import BrokerMonitor
from worker.upkeep.reaper import Reaper

LARGE = b"x,y\n" + b"".join(b"%d.5,%d\n" % (n, n) for n in range(200_000))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The storage of this test's own, for everything in this process."""
    folder = tmp_path / "objects"
    monkeypatch.setenv("SLOPE_STORAGE_URL", folder.as_uri())
    return folder


@pytest.fixture
def client(folder: Path, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr("service.api.app.Database", lambda _url, fails_fast: database)
    settings = Settings(data_dir=tmp_path, database_url=str(database.url), broker_url=f"redis+socket://{tmp_path}/no")
    return TestClient(create_app(settings, FakeQueue()))


def age(*paths: Path) -> None:
    """Let files be two hours old."""
    for path in paths:
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 7200))


def worker(database: Database, memory: int) -> None:
    row = Worker(
        id=uuid7(),
        hostname="h",
        process_id=1,
        version="0",
        devices=[{"name": "cpu", "description": ""}],
        slots=1,
        memory=memory,
    )
    change(database, lambda session: workers.add_worker(session, row))


def test_while_the_storage_is_away_nothing_is_accepted_and_nothing_changed(
    client: TestClient, folder: Path, database: Database
) -> None:
    dataset_id = uploaded(client, CSV)["id"]
    before = rows_of_every_table(database)
    folder.rename(folder.with_name("away"))
    folder.write_bytes(b"no folder")

    refused = [
        post(client, LARGE),
        client.post("/v1/jobs", json=MANY_ROWS),
        client.get(f"/v1/datasets/{dataset_id}/rows"),
    ]

    for answer in refused:
        assert problem_of(answer, 503)["type"] == "/problems/storage-unavailable"
        assert int(answer.headers["retry-after"]) > 0
    assert rows_of_every_table(database) == before
    readiness = client.get("/readyz")
    assert (readiness.status_code, readiness.json()["storage"]) == (503, False)


def test_a_job_of_few_numbers_needs_no_storage(
    client: TestClient, folder: Path, database: Database, train: Callable[[UUID], None]
) -> None:
    folder.write_bytes(b"no folder")

    job_id = UUID(client.post("/v1/jobs", json=LECTURE).json()["id"])
    train(job_id)

    assert read(database, job_id).status == "succeeded"
    assert client.get(f"/v1/jobs/{job_id}/epochs/3/steps/1/graph").status_code == 200


def test_few_numbers_that_are_uploaded_later_stay_in_their_row(client: TestClient, folder: Path) -> None:
    job = client.post("/v1/jobs", json={"dataset": {"x": [1, 2, 3], "y": [2, 4, 6.5]}}).json()

    dataset = uploaded(client, b"x,y\n1,2\n2,4\n3,6.5\n")

    assert dataset["id"] == job["dataset"]["id"]
    rows = client.get(f"/v1/datasets/{dataset['id']}/rows", params={"after": 0, "limit": 2}).json()
    assert rows["data"] == [{"x": 2.0, "y": 4.0}, {"x": 3.0, "y": 6.5}]
    of_it = {"dataset": {"id": dataset["id"], "features": ["y"], "target": "x"}}
    assert client.post("/v1/jobs", json=of_it).status_code == 202
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert client.get(f"/v1/datasets/{dataset['id']}").status_code == 200
    assert not folder.exists()


def test_few_numbers_count_towards_the_quota(
    settings: Settings, queue: FakeQueue, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.app.Database", lambda _url, fails_fast: database)
    with TestClient(create_app(settings.model_copy(update={"max_stored_bytes": 100}), queue)) as client:
        accepted = client.post("/v1/jobs", json={"dataset": {"x": [1, 2, 3, 4], "y": [1, 2, 3, 4]}})
        refused = client.post("/v1/jobs", json={"dataset": {"x": [5, 6, 7, 8], "y": [1, 2, 3, 4]}})

    assert accepted.status_code == 202
    assert problem_of(refused, 507)["type"] == "/problems/quota-reached"
    assert rows_of_every_table(database)["datasets"] == 1


def test_a_job_waits_for_a_storage_that_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch, train: Callable[[UUID], None]
) -> None:
    looked = []
    open_it = Folder.open

    def open_at_the_third_look(self: Folder, name: str) -> Any:
        looked.append(name)
        if len(looked) < 3:
            raise StorageUnavailable
        return open_it(self, name)

    job_id = submit(database, MANY_ROWS)
    monkeypatch.setattr(Folder, "open", open_at_the_third_look)
    train(job_id)

    assert looked == [object_name(read(database, job_id).dataset_id)] * 3
    assert read(database, job_id).status == "succeeded"


def test_a_job_whose_numbers_are_gone_says_where_it_looked(
    folder: Path, database: Database, process: Process, monkeypatch: pytest.MonkeyPatch, train: Callable[[UUID], None]
) -> None:
    monkeypatch.setattr(type(process), "storage", property(lambda _: storage_at(folder.as_uri())))
    job_id = submit(database, MANY_ROWS)
    (folder / object_name(read(database, job_id).dataset_id)).unlink()

    train(job_id)

    job = read(database, job_id)
    assert (job.status, "SLOPE_STORAGE_URL" in (job.error_detail or "")) == ("failed", True)


def test_a_full_disk_is_told_and_leaves_nothing(
    client: TestClient, folder: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)

    for answer in (post(client, CSV), client.post("/v1/jobs", json=MANY_ROWS)):
        assert problem_of(answer, 507)["type"] == "/problems/storage-full"
    assert rows_of_every_table(database)["datasets"] == 0
    assert list(folder.iterdir()) == []


def test_what_is_left_over_is_swept_after_an_hour_and_nothing_else(
    client: TestClient, folder: Path, database: Database, tmp_path: Path
) -> None:
    kept = uploaded(client, CSV)["id"]
    used = client.post("/v1/jobs", json=MANY_ROWS).json()["dataset"]["id"]
    in_row = client.post("/v1/jobs", json={"dataset": {"x": [7], "y": [8]}}).json()
    unused = client.post("/v1/jobs", json={"dataset": {"x": [7] * 501, "y": [8] * 501}}).json()
    left_over = [UUID(each["id"]) for each in (in_row, unused)]
    change(database, lambda session: session.execute(Job.__table__.delete().where(Job.id.in_(left_over))))
    change(
        database, lambda session: session.execute(update(Dataset).values(created_at=now(session) - timedelta(hours=2)))
    )
    nameless, unfinished, fresh = (
        folder / name for name in (object_name(uuid7()), "tmpabc.part", object_name(uuid7()))
    )
    upload = tmp_path / "spool" / "upload-abc"
    upload.mkdir(parents=True, exist_ok=True)
    for file in (nameless, unfinished, fresh, upload / "body"):
        file.write_bytes(b"")
    age(*(folder / object_name(UUID(each)) for each in (kept, used)), nameless, unfinished, upload / "body", upload)

    swept = garbage.collect_garbage(database, storage_at(folder.as_uri()), tmp_path / "spool")

    gone = {
        in_row["dataset"]["id"],
        object_name(UUID(unused["dataset"]["id"])),
        nameless.name,
        unfinished.name,
        "upload-abc",
    }
    assert set(swept) == gone
    left = {each.name for each in folder.iterdir()}
    assert left == {object_name(UUID(kept)), object_name(UUID(used)), fresh.name}
    assert garbage.collect_garbage(database, storage_at(folder.as_uri()), tmp_path / "spool") == []


def test_numbers_whose_row_is_rolled_back_are_taken_away(folder: Path, database: Database) -> None:
    storage = storage_at(folder.as_uri())
    rows = inline_dataset(storage, Arrays.of(InlineData(**MANY_ROWS["dataset"])))

    with ensure_stored(database, rows), database.writing() as session:
        rows.adopt(session)
        assert len(list(folder.iterdir())) == 1

    assert list(folder.iterdir()) == []
    assert rows_of_every_table(database)["datasets"] == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/datasets", {"content": CSV, "headers": {"Content-Type": "text/csv"}}),
        ("/v1/jobs", {"json": MANY_ROWS}),
        ("/v1/sweeps", {"json": MANY_ROWS | {"grid": {"learning_rate": [0.1, 0.2]}}}),
    ],
)
def test_numbers_that_were_there_a_moment_ago_are_put_before_anybody_has_to_wait(
    client: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any]
) -> None:
    at_first_sight, happened = [True], list[str]()
    look, lock, put = datasets.needs_no_object, datasets.lock_content, NewDataset.put
    monkeypatch.setattr(
        datasets, "needs_no_object", lambda *given: at_first_sight.pop() if at_first_sight else look(*given)
    )
    monkeypatch.setattr(datasets, "lock_content", lambda *given: happened.append("lock") or lock(*given))
    monkeypatch.setattr(NewDataset, "put", lambda new: happened.append("put") or put(new))

    assert client.post(path, **body).status_code in (201, 202)

    assert happened == ["lock", "put", "lock"]
    assert len(list(folder.iterdir())) == 1


def test_numbers_that_another_has_in_a_row_are_put_before_anybody_has_to_wait(
    folder: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are no object that could be shared."""
    storage, few = storage_at(folder.as_uri()), [Arrays.of(InlineData(**LECTURE["dataset"])) for _ in range(2)]
    in_row = inline_dataset(storage, few[0])
    monkeypatch.setattr("service.data.new_datasets.MOST_IN_ROW", 0)
    in_object = inline_dataset(storage, few[1])
    assert in_object.content_hash == in_row.content_hash
    for owner, new in (("alice", in_row), ("bob", in_object)):
        view = database.of_owner(owner, sees_all=False)
        with ensure_stored(view, new), view.writing() as session:
            assert len(list(folder.glob("*"))) == int(new is in_object)
            assert new.adopt(session) == new.id
            session.commit()


def test_a_job_that_no_worker_has_the_memory_for_is_told_so_at_once(
    client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.drafts.LITTLE_MEMORY", 0)
    wanted = {"dataset": {"id": uploaded(client, LARGE)["id"]}, "hyperparameters": {"engine": "eager"}}
    assert client.post("/v1/jobs", json=wanted).status_code == 202, "while no worker lives nobody knows"
    needed = client.post("/v1/plan", json=wanted).json()["plan"]["memory_bytes"]

    worker(database, needed - 1)
    problem = problem_of(client.post("/v1/jobs", json=wanted), 422)
    assert problem["type"] == "/problems/too-large-for-workers"
    assert f"{needed:,}" in problem["detail"]
    worker(database, needed)
    assert client.post("/v1/jobs", json=wanted).status_code == 202


def test_auto_takes_an_engine_that_workers_have_the_memory_for(
    client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COSTS, "eager", lambda work: Cost(0.0, 1e-6, 10**9))
    wanted = request(batch_size="full")
    assert client.post("/v1/plan", json=wanted).json()["plan"]["engine"] == "eager"

    worker(database, 10**8)

    plan = client.post("/v1/plan", json=wanted).json()["plan"]
    assert plan["engine"] == "compiled"
    assert "eager needs 1,000,000,000 bytes" in plan["why"]
    assert client.post("/v1/jobs", json=wanted).json()["plan"] == plan


def test_a_worker_refuses_at_once_what_it_has_not_the_memory_for(
    database: Database, process: Process, train: Callable[[UUID], None]
) -> None:
    job_id = submit(database, MANY_ROWS)
    chosen = process.settings.model_copy(update={"worker_memory": 10})
    chosen_process = replace(process, settings=chosen)
    Reaper(chosen_process, 1, BrokerMonitor(chosen_process, lambda: True)).run_once()

    train(job_id)

    job = read(database, job_id)
    assert (job.status, job.error_code) == ("failed", "out_of_memory")
    assert "a training here may take 10" in (job.error_detail or "")


def test_a_worker_has_its_part_of_the_memory() -> None:
    one, four = (memory_for_training(Settings(), slots) for slots in (1, 4))

    assert one > four > 0
    assert memory_for_training(Settings(worker_memory="2GiB"), 4) == 2 * 2**30  # type: ignore[arg-type]


def test_the_doctor_says_whether_datasets_can_be_kept(folder: Path, settings: Settings, database: Database) -> None:
    def found(url: str) -> dict[str, str | None]:
        chosen = settings.model_copy(update={"storage_url": url})
        return {each.subject: each.advice for each in doctor.diagnose(chosen, database, FakeQueue())}

    (folder.parent / "file").write_bytes(b"")

    assert found(folder.as_uri())["storage"] is None
    assert "SLOPE_STORAGE_URL" in (found((folder.parent / "file" / "objects").as_uri())["storage"] or "")
