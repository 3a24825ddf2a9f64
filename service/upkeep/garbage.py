"""Finding what nobody needs any more: objects that no row names, rows that no job needs, and uploads left half-way."""

import shutil
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from uuid import UUID

import structlog

from service.data import numbers
from service.storage import Storage, StoredObject
from service.store import datasets as stored
from service.store.database import Database, now
from service.store.holds import are_objects_held

_GRACE = timedelta(hours=1)
"""An object is there before its row is; no upload takes as long as this between the two."""
_LOOKED_UP_AT_ONCE = 500

log = structlog.get_logger()


def collect_garbage(database: Database, storage: Storage, spool: Path) -> list[str]:
    """Delete what has been left over for more than an hour, and return its names."""
    deleted = [*_unused_rows(database, storage), *_nameless_objects(database, storage), *_uploads(spool)]
    if deleted:
        log.info("deleted garbage", names=deleted)
    return deleted


def _unused_rows(database: Database, storage: Storage) -> list[str]:
    """Data that came with jobs goes with the last of them; here is what a process left that died in between."""
    with database.reading() as session:
        unused = stored.unused_inline(session, now(session) - _GRACE)
    deleted = []
    for dataset_id in unused:
        with database.writing() as session:
            removed = stored.remove_inline(session, [dataset_id])
            session.commit()
        for each in removed:
            numbers.release_numbers(database, storage, each)
            deleted.append(numbers.object_name(each.orphan) if each.orphan else str(dataset_id))
    return deleted


def _nameless_objects(database: Database, storage: Storage) -> list[str]:
    with database.reading() as session:
        limit = now(session) - _GRACE
    old = (each for each in storage.everything() if each.changed_at < limit)
    deleted = []
    while some := list(islice(old, _LOOKED_UP_AT_ONCE)):
        deleted += _nameless(database, storage, some)
    return deleted


def _nameless(database: Database, storage: Storage, objects: list[StoredObject]) -> list[str]:
    ids = {each.name: _object_id(each.name) for each in objects}
    with database.reading() as session:
        named = stored.named_objects(session, [object_id for object_id in ids.values() if object_id])
    nameless = [name for name, object_id in ids.items() if object_id not in named]
    if nameless:
        is_held = database.query(are_objects_held)  # asked after the rows: see service.store.holds
        nameless = [] if is_held else nameless
    for name in nameless:
        storage.delete(name)
    return nameless


def _object_id(name: str) -> UUID | None:
    """Of an object; None for a file that was never finished."""
    try:
        object_id = UUID(name.partition(".")[0])
    except ValueError:
        return None
    return object_id if name == numbers.object_name(object_id) else None


def _uploads(spool: Path) -> list[str]:
    """Folders of uploads whose process died."""
    deleted = []
    limit = (datetime.now(UTC) - _GRACE).timestamp()
    for folder in spool.glob("upload-*"):
        if max((each.stat().st_mtime for each in [folder, *folder.iterdir()]), default=0.0) < limit:
            shutil.rmtree(folder, ignore_errors=True)
            deleted.append(folder.name)
    return deleted
