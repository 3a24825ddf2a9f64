"""Objects in a folder and in a bucket: kept whole or not at all, and what fails is told as what it is."""

import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from e2e.services import ObjectStore
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore

from service.errors import ObjectMissing, StorageFull, StorageUnavailable
from service.settings import Settings
from service.storage import Bucket, Folder, Storage, read_parts, storage_at
from slope.tabular.stored import TableWriter, read


@pytest.fixture(params=["folder", "memory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """A folder, and what obstore knows: objects in memory, and an S3 server."""
    if request.param == "folder":
        return Folder(tmp_path / "a folder")
    if request.param == "memory":
        return Bucket(f"memory:///{tmp_path.name}")
    server: ObjectStore = request.getfixturevalue("object_store")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return Bucket(server.prefix(tmp_path.name))


def names(storage: Storage) -> set[str]:
    return {each.name for each in storage.everything()}


def content(storage: Storage, name: str) -> bytes:
    with storage.open(name) as file:
        return bytes(file.read())


def test_what_was_put_is_there_until_it_is_deleted(storage: Storage, tmp_path: Path) -> None:
    file = tmp_path / "spooled"
    file.write_bytes(b"from a file")

    storage.put("small", b"bytes")
    storage.put("large", file)

    assert (content(storage, "small"), content(storage, "large")) == (b"bytes", b"from a file")
    assert {(each.name, each.size) for each in storage.everything()} == {("small", 5), ("large", 11)}
    assert not file.exists()
    storage.delete("small")
    storage.delete("small")
    assert names(storage) == {"large"}
    storage.check()
    assert names(storage) == {"large"}


def test_an_object_may_come_in_parts_and_is_none_where_they_end_halfway(storage: Storage) -> None:
    wanted = os.urandom(7_000_000)

    def broken() -> Iterator[bytes]:
        yield wanted
        raise ObjectMissing("the source")

    storage.put("whole", (wanted[start : start + 1_000_000] for start in range(0, 7_000_000, 1_000_000)))
    with pytest.raises(ObjectMissing, match="the source"):
        storage.put("half", broken())

    assert b"".join(read_parts(storage, "whole")) == wanted
    assert names(storage) == {"whole"}


def test_a_large_object_comes_back_whole_and_from_any_place(storage: Storage, tmp_path: Path) -> None:
    wanted = os.urandom(12_000_000)
    file = tmp_path / "spooled"
    file.write_bytes(wanted)

    storage.put("large", file)

    assert content(storage, "large") == wanted
    with storage.open("large") as found:
        found.seek(11_000_000)
        assert bytes(found.read(1_500_000)) == wanted[11_000_000:]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(-1, 40)), max_size=12))
def test_an_object_of_a_bucket_reads_like_a_file_wherever_it_is_read(reads: list[tuple[int, int]]) -> None:
    wanted, storage = bytes(range(50)), Bucket("memory:///reads")
    storage.put("object", wanted)
    file = io.BytesIO(wanted)

    with pytest.MonkeyPatch.context() as patch, storage.open("object") as found:
        patch.setattr("service.storage._BLOCK", 16)
        for start, size in reads:
            found.seek(min(start, 50))
            file.seek(min(start, 50))
            assert bytes(found.read(None if size < 0 else size)) == file.read(size)
            assert found.tell() == file.tell()


def test_a_table_in_a_bucket_is_fetched_once_in_few_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names, storage = [f"c{place}" for place in range(10)], Bucket("memory:///table")
    with TableWriter(tmp_path / "table", names) as writer:
        for _ in range(5):
            writer.write([np.ones(20_000)] * 10)
    storage.put("table", tmp_path / "table")
    fetched: list[int] = []
    get_range = MemoryStore.get_range

    def note(store: MemoryStore, name: str, *, start: int, end: int) -> Any:
        fetched.append(end - start)
        return get_range(store, name, start=start, end=end)

    monkeypatch.setattr("service.storage._BLOCK", 2_000_000)
    monkeypatch.setattr("obstore.store.MemoryStore.get_range", note)
    with storage.open("table") as file:
        assert sum(len(part) for part in read(file, names)) == 100_000

    assert sum(fetched) < 1.1 * 8 * 10 * 100_000
    assert len(fetched) <= 7


def test_what_is_not_there_is_missing(storage: Storage) -> None:
    with pytest.raises(ObjectMissing, match="SLOPE_STORAGE_URL"):
        storage.open("nothing")
    assert names(storage) == set()


def test_a_url_chooses_the_storage(tmp_path: Path) -> None:
    assert isinstance(storage_at("s3://bucket/prefix"), Bucket)
    folder = storage_at((tmp_path / "with space").as_uri())
    folder.put("a", b"")
    assert (tmp_path / "with space" / "a").exists()


def test_objects_are_beside_an_embedded_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLOPE_STORAGE_URL")
    embedded = Settings(database_url=f"sqlite:///{tmp_path}/slope.db")
    served = Settings(database_url="postgresql://host/name", data_dir=tmp_path / "data")
    elsewhere = Settings(storage_url="s3://bucket/prefix", data_dir=tmp_path)

    assert (embedded.storage, embedded.spool) == ((tmp_path / "objects").as_uri(), tmp_path / "spool")
    assert (served.storage, served.spool) == ((tmp_path / "data/objects").as_uri(), tmp_path / "data/spool")
    assert elsewhere.storage == "s3://bucket/prefix"


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, StorageUnavailable)],
)
def test_a_failing_disk_leaves_no_half_of_an_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[Exception]
) -> None:
    def fail(_: Any) -> None:
        raise OSError(number, os.strerror(number))

    storage = Folder(tmp_path)
    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(expected):
        storage.put("object", b"content")
    assert list(tmp_path.iterdir()) == []


def test_an_object_is_on_the_disk_before_it_has_its_name_and_its_name_before_put_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = []

    def note(descriptor: int) -> None:
        flushed.append((Path(f"/proc/self/fd/{descriptor}").readlink(), names(storage)))

    monkeypatch.setattr(os, "fsync", note)
    storage = Folder(tmp_path)

    storage.put("object", b"content")

    (file, before), (folder, after) = flushed
    assert file.parent == tmp_path == folder
    assert "object" not in before
    assert "object" in after


def test_a_folder_that_cannot_be_made_is_not_available(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    storage = Folder(tmp_path / "file" / "objects")

    for action in (storage.check, lambda: storage.put("object", b"")):
        with pytest.raises(StorageUnavailable):
            action()


def test_a_bucket_that_does_not_answer_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.storage._RETRY", {"max_retries": 0})
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    monkeypatch.setenv("AWS_REGION", "nowhere")
    storage = Bucket("s3://bucket/prefix")

    for action in (storage.check, lambda: storage.put("object", b""), lambda: storage.delete("object")):
        with pytest.raises(StorageUnavailable):
            action()
