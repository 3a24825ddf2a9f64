"""Making a service of a copy again. Everything is checked before anything changes, and the database changes in one
transaction: whoever dies on the way has changed nothing in it."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy.orm import Session

from service.errors import NotDone
from service.storage import Storage, read_parts
from service.store import schema, workers
from service.store.copies import tables
from service.store.copies.digests import TableDigest
from service.store.database import Database
from service.store.leases.lost_leases import release_all
from service.upkeep.copies.manifest import CopiedTable, Manifest, Report, check_copy
from slope.spec.names import counted


@dataclass(frozen=True)
class Restored:
    """What a copy was made of again."""

    manifest: Manifest
    returned: int
    """Jobs that ran when the copy was made, and go on from their last flush."""


def restore_backup(
    database: Database, storage: Storage, place: Storage, *, replace: bool = False, report: Report = lambda _: None
) -> Restored:
    """Have what a copy holds in database and storage. With `replace` in the place of what is there.

    Raises NotDone, and whatever database and storages raise.
    """
    report("Checking the backup")
    manifest = check_copy(place)
    if not schema.is_known(manifest.revision):
        raise NotDone(
            f"Nothing was restored: a newer Slope, {manifest.slope}, made the backup. Install that version or a later"
        )
    with database.writing() as session:
        _refuse_target(session, replace=replace)
    report(f"Copying {counted(len(manifest.objects), 'object')}")
    for each in manifest.objects:
        storage.put(each.name, read_parts(place, each.name))
    with database.writing() as session:
        _refuse_target(session, replace=replace)
        schema.rebuild_schema(session, manifest.revision)
        for table in manifest.tables:
            report(f"Restoring {table.name}")
            _restore_table(session, place, table)
        schema.finish_schema(session)
        returned = release_all(session, manifest.created_at, "Restored from a backup")
        session.commit()
    return Restored(manifest, returned)


def _refuse_target(session: Session, *, replace: bool) -> None:
    there = tables.count_rows(session)
    if there and not replace:
        found = ", ".join(counted(count, name[:-1]) for name, count in there.items() if name in ("jobs", "datasets"))
        raise NotDone(
            f"Nothing was restored: the database is not empty ({found or ', '.join(there)}). Name another, or say"
            " --replace if all that is in it may go"
        )
    if there and workers.count_live(session):
        raise NotDone("Nothing was restored: workers use the database. Stop them and the API, and restore then")


def _restore_table(session: Session, place: Storage, table: CopiedTable) -> None:
    """Read again what was written: the database has it, or the copy is not taken for restored."""
    columns = None
    for file in table.files:
        with place.open(file.name) as source:
            parquet = pq.ParquetFile(source)
            columns = parquet.schema_arrow
            _refuse_other_columns(session, table.name, columns)
            for batch in parquet.iter_batches(batch_size=tables.BATCH_ROWS):
                tables.add_batch(session, table.name, batch)
    digest = TableDigest()
    for batch in tables.read_table(session, table.name, columns) if columns else ():
        digest.add(batch)
    if (digest.rows, digest.hexdigest()) != (table.rows, table.digest):
        raise NotDone(
            f"Nothing was restored: the database has other rows of {table.name} than it was given. Run `slope doctor`"
        )


def _refuse_other_columns(session: Session, table: str, columns: pa.Schema) -> None:
    """What a copy names becomes a part of statements: it may be what somebody else has written."""
    if not tables.has_columns(session, table, columns):
        raise NotDone(
            f"Nothing was restored: the backup has rows of {table} that fit no table of its schema. Use another backup"
        )
