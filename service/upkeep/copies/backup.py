"""Making a copy while the service runs: one moment of the database, and the objects that it names."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from hashlib import sha256
from threading import Event, Thread
from typing import Any
from uuid import UUID, uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from service.data.numbers import object_name
from service.errors import NotDone, SchemaMissing, ServiceError
from service.storage import Storage, read_parts
from service.store import holds, schema
from service.store.copies import tables
from service.store.copies.digests import TableDigest
from service.store.database import Database, now
from service.upkeep.copies.manifest import (
    FORMAT,
    MANIFEST,
    CopiedFile,
    CopiedTable,
    Hashed,
    Manifest,
    Report,
)
from slope import __version__
from slope.spec.names import counted

_FILE_BYTES = 64 * 1024**2
"""Rows in memory that become one file."""
_HOLD_SECONDS, _BEAT_SECONDS = 120.0, 10.0

log = structlog.get_logger()


def make_backup(database: Database, storage: Storage, place: Storage, report: Report = lambda _: None) -> Manifest:
    """Copy all that is kept to an empty place. Raises NotDone, and whatever database and storages raise."""
    if next(iter(place.everything()), None):
        raise NotDone("Nothing was backed up: there is something at that place already. Name one that is new or empty")
    if not schema.is_current(database):
        raise SchemaMissing("its schema is not the one that this version works with")
    with _holding(database) as refuse_lost:
        copied = _copy_moment(database, place, report)
        report(f"Copying {counted(len(copied.objects), 'object')}")
        objects = [_copy_object(storage, place, object_name(each)) for each in copied.objects]
        refuse_lost()
        manifest = Manifest(
            format=FORMAT,
            slope=__version__,
            revision=copied.revision,
            database="sqlite" if database.is_sqlite else "postgresql",
            created_at=copied.at,
            tables=copied.tables,
            objects=objects,
        )
        place.put(MANIFEST, manifest.model_dump_json(indent=1).encode())
    return manifest


class _Moment:
    """What was copied of the database: all of one moment."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        """By the clock that all times in the database are of."""
        self.revision = ""
        self.tables: list[CopiedTable] = []
        self.objects: list[UUID] = []


def _copy_moment(database: Database, place: Storage, report: Report) -> _Moment:
    with database.reading() as session:
        found = _Moment(now(session))
        found.revision = schema.revision_of(session)
        found.objects = tables.objects_with_numbers(session)
        for name, columns in tables.copied_tables().items():
            report(f"Copying {name}")
            batches = tables.read_table(session, name, columns)
            found.tables.append(_copy_table(name, columns, batches, place))
    return found


def _copy_table(name: str, columns: pa.Schema, batches: Iterator[pa.RecordBatch], place: Storage) -> CopiedTable:
    digest, files = TableDigest(), []
    for number, some in enumerate(_in_files(batches, digest)):
        file_name = f"{name}-{number:05}.parquet"
        content = _as_parquet(columns, some)
        place.put(file_name, content)
        files.append(CopiedFile(name=file_name, size=len(content), sha256=sha256(content).hexdigest()))
    return CopiedTable(name=name, rows=digest.rows, digest=digest.hexdigest(), files=files)


def _in_files(batches: Iterator[pa.RecordBatch], digest: TableDigest) -> Iterator[list[pa.RecordBatch]]:
    some: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        digest.add(batch)
        some.append(batch)
        size += batch.nbytes
        if size >= _FILE_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _as_parquet(columns: pa.Schema, batches: list[pa.RecordBatch]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_batches(batches, columns), sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _copy_object(storage: Storage, place: Storage, name: str) -> CopiedFile:
    hashed = Hashed()
    place.put(name, hashed.watch(read_parts(storage, name)))
    return hashed.as_file(name)


@contextmanager
def _holding(database: Database) -> Iterator[Callable[[], None]]:
    """Let no object go while the block runs. What it gives raises NotDone where some may have gone all the same."""
    hold_id, done, lost = uuid4(), Event(), Event()
    _in_a_transaction(database, holds.begin_hold, hold_id, _HOLD_SECONDS)

    def beat() -> None:
        while not done.wait(_BEAT_SECONDS):
            try:
                if not _in_a_transaction(database, holds.extend_hold, hold_id, _HOLD_SECONDS):
                    lost.set()
            except ServiceError as error:  # the next may come through in time
                log.warning("the hold of the objects could not be extended", error=str(error))

    def refuse_lost() -> None:
        if lost.is_set() or not _in_a_transaction(database, holds.extend_hold, hold_id, _HOLD_SECONDS):
            raise NotDone(
                "The backup is not whole: the database was away for too long, and objects may be gone. Make it again"
            )

    beating = Thread(target=beat, name="hold", daemon=True)
    beating.start()
    try:
        yield refuse_lost
    finally:
        done.set()
        beating.join()
        with suppress(ServiceError):  # it ends by itself
            _in_a_transaction(database, holds.end_hold, hold_id)


def _in_a_transaction(database: Database, action: Callable[..., Any], *arguments: Any) -> Any:
    with database.writing() as session:
        answer = action(session, *arguments)
        session.commit()
    return answer
