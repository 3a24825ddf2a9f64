"""Taking what somebody has uploaded as a dataset."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from service.data import datasets
from service.data.byte_quotas import Room, keeping_counts
from service.data.new_datasets import NewDataset, again_when_gone, ensure_stored
from service.errors import BodyNotRead, InvalidTable, TableTooLarge
from service.settings import Settings
from service.storage import Storage, translated_disk_errors
from service.store.database import Database
from service.store.tables import Dataset
from slope.spec import Fault
from slope.spec.faults import pointer
from slope.tabular import faults
from slope.tabular.isolated import Allowance, Sent, ingest_isolated
from slope.tabular.reading import Limits


@dataclass(frozen=True)
class Upload:
    """A dataset that was uploaded; not new where there was one that says the same of the same content."""

    dataset: Dataset
    is_new: bool


def accept_upload(database: Database, storage: Storage, settings: Settings, sent: Sent, name: str | None) -> Upload:
    """Check a file and keep its table. Raises InvalidTable and TableTooLarge, and then nothing is kept of it."""
    target = sent.path.with_suffix(".table")
    with translated_disk_errors(), _translated_faults():
        summary = ingest_isolated(sent, target, _allowance(settings))
    new = NewDataset(storage, summary, target, name=name, is_inline=False, room=Room.of(settings))
    return _keep(database, new)


@again_when_gone
def _keep(database: Database, new: NewDataset) -> Upload:
    with ensure_stored(database, new), database.writing() as session:
        with keeping_counts(session):
            dataset_id = new.adopt(session)
        session.commit()
    with database.reading() as session:
        return Upload(datasets.get_dataset(session, dataset_id), dataset_id == new.id)


def _allowance(settings: Settings) -> Allowance:
    limits = Limits(
        numbers=settings.max_dataset_numbers,
        file_bytes=settings.max_upload_size,
        document_bytes=settings.max_body_size,
        triangle_columns=settings.triangle_columns,
    )
    return Allowance(limits, settings.upload_memory, settings.upload_seconds)


@contextmanager
def _translated_faults() -> Iterator[None]:
    try:
        yield
    except faults.TableTooLarge as fault:
        raise TableTooLarge(fault.detail, _faults(fault)) from fault
    except faults.BadTable as fault:
        raise InvalidTable(fault.detail, _faults(fault)) from fault
    except faults.BadOption as fault:
        raise InvalidTable(fault.detail, [Fault(fault.detail, f"/query/{fault.option}")]) from fault
    except MemoryError as error:
        raise BodyNotRead from error


def _faults(fault: faults.BadTable) -> list[Fault]:
    """At the row, the column, or the cell, counted as in a list of objects."""
    location = [part for part in (fault.row, fault.column) if part is not None]
    return [Fault(fault.detail, pointer(location))] if location else []
