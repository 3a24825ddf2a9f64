"""Where the numbers of datasets are kept: objects by name, in a folder or in a bucket. SQL only knows their names."""

import errno
import io
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from service.errors import ObjectMissing, StorageFull, StorageUnavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore
    from pyarrow import NativeFile

_UNFINISHED = ".part"
_BLOCK = 8 * 1024 * 1024
"""Bytes that a bucket is asked for at a time: about a row group, whose columns are read one after another."""
_RETRY: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=4)}
"""A client waits until it hears that the storage is away."""


@dataclass(frozen=True)
class StoredObject:
    """What a storage knows of an object without opening it."""

    name: str
    size: int
    """In bytes."""
    changed_at: datetime


class Storage(Protocol):
    """Objects by name. Raises StorageUnavailable, StorageFull, and ObjectMissing for one that is not there."""

    def put(self, name: str, content: bytes | Path | Iterable[bytes]) -> None:
        """Keep an object, whole and durable when this returns; a file given for it is used up.

        What raises while its parts are made leaves no object.
        """

    def open(self, name: str) -> "NativeFile":
        """An object to be read from any position, and to be closed."""

    def delete(self, name: str) -> None:
        """Forget an object, if it is there."""

    def everything(self) -> Iterator[StoredObject]:
        """All objects, in no order."""

    def check(self) -> None:
        """Raise StorageUnavailable when nothing could be kept here."""

    def free_bytes(self) -> int | None:
        """Free space of the disk; None where that is not known."""


@cache
def storage_at(url: str) -> Storage:
    """The storage at `file:///folder`, or `s3://bucket/prefix` and whatever else obstore knows."""
    parts = urlsplit(url)
    return Folder(Path(unquote(parts.path))) if parts.scheme == "file" else Bucket(url)


class Folder:
    """Files of one folder, which all processes of the service see."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, name: str, content: bytes | Path | Iterable[bytes]) -> None:
        with _translated_file_errors(name):
            self._path.mkdir(parents=True, exist_ok=True)
            with self._unfinished() as unfinished:
                if isinstance(content, Path):
                    _move(content, unfinished)
                else:
                    _write(unfinished, [content] if isinstance(content, bytes) else content)
                _flush(unfinished)
                unfinished.rename(self._file(name))
            _flush(self._path)

    def open(self, name: str) -> "NativeFile":
        from pyarrow import OSFile

        with _translated_file_errors(name):
            return OSFile(str(self._file(name)))

    def delete(self, name: str) -> None:
        with _translated_file_errors(name):
            self._file(name).unlink(missing_ok=True)

    def everything(self) -> Iterator[StoredObject]:
        if not self._path.is_dir():
            return
        with _translated_file_errors("a list"), os.scandir(self._path) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # another has deleted it meanwhile
                    found = entry.stat()
                    yield StoredObject(entry.name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def check(self) -> None:
        with _translated_file_errors("a trial"):
            self._path.mkdir(parents=True, exist_ok=True)
            with self._unfinished() as unfinished:
                unfinished.write_bytes(b"")

    def free_bytes(self) -> int | None:
        there = next(each for each in (self._path, *self._path.parents) if each.exists())
        return shutil.disk_usage(there).free

    def _file(self, name: str) -> Path:
        """Raises ValueError for a name that leads elsewhere."""
        if Path(name).name != name:
            raise ValueError(f"{name!r} is no name of a file")
        return self._path / name

    @contextmanager
    def _unfinished(self) -> Iterator[Path]:
        """A file that no reader takes for an object; whatever happens, none of that name stays."""
        with NamedTemporaryFile(dir=self._path, suffix=_UNFINISHED, delete=False) as file:
            path = Path(file.name)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


class Bucket:
    """Objects of an S3-compatible service, or of another that obstore knows. Its own environment variables apply."""

    def __init__(self, url: str) -> None:
        self._url = url

    def put(self, name: str, content: bytes | Path | Iterable[bytes]) -> None:
        with _translated_object_errors(name):
            self._store.put(name, content if isinstance(content, bytes | Path) else iter(content))
        if isinstance(content, Path):
            content.unlink()

    def open(self, name: str) -> "NativeFile":
        from pyarrow import PythonFile

        with _translated_object_errors(name):
            return PythonFile(_Readable(self._store, name, self._store.head(name)["size"]), mode="r")

    def delete(self, name: str) -> None:
        with suppress(FileNotFoundError), _translated_object_errors(name):
            self._store.delete(name)

    def everything(self) -> Iterator[StoredObject]:
        with _translated_object_errors("a list"):
            for page in self._store.list():
                for found in page:
                    yield StoredObject(found["path"], found["size"], found["last_modified"])

    def check(self) -> None:
        with _translated_object_errors("a list"):
            next(iter(self._store.list(chunk_size=1)), None)

    def free_bytes(self) -> int | None:
        return None

    @property
    def _store(self) -> "ObjectStore":
        return _object_store(self._url)


class _Readable(io.RawIOBase):
    """An object of a bucket, in blocks: obstore's own reader drops what it has read ahead wherever Arrow seeks."""

    def __init__(self, store: "ObjectStore", name: str, size: int) -> None:
        self._store = store
        self._name = name
        self._size = size
        self._position = 0
        self._start, self._block = 0, b""

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._position + size, self._size)
        if self._position < self._start or end > self._start + len(self._block):
            self._fetch(max(end, min(self._position + _BLOCK, self._size)))
        found = self._block[self._position - self._start : end - self._start]
        self._position = max(self._position, end)
        return found

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def _fetch(self, end: int) -> None:
        if self._position < end:
            with _translated_object_errors(self._name):
                self._block = bytes(self._store.get_range(self._name, start=self._position, end=end))
            self._start = self._position

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


@cache
def _object_store(url: str) -> "ObjectStore":
    from obstore.store import from_url

    return from_url(url) if url.startswith("memory:") else from_url(url, retry_config=_RETRY)


def read_parts(storage: Storage, name: str) -> Iterator[bytes]:
    """An object from its begin to its end, some megabytes at a time."""
    with storage.open(name) as file:
        while part := file.read(_BLOCK):
            yield part


def _write(target: Path, parts: Iterable[bytes]) -> None:
    with target.open("wb") as file:
        for part in parts:
            file.write(part)


def _move(source: Path, target: Path) -> None:
    """Rename where it is possible; a spool may lie on another disk."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copyfile(source, target)
        source.unlink()


def _flush(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk itself."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated_file_errors(name: str) -> Iterator[None]:
    with translated_disk_errors():
        try:
            yield
        except FileNotFoundError as error:
            raise ObjectMissing(name) from error


@contextmanager
def translated_disk_errors() -> Iterator[None]:
    """Raise StorageFull or StorageUnavailable for what a disk cannot do in the block."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFull(error.strerror) from error
        raise StorageUnavailable from error


@contextmanager
def _translated_object_errors(name: str) -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing(name) from error
    except (BaseError, OSError) as error:
        raise StorageUnavailable from error
