"""Datasets that are kept: finding, listing, renaming and deleting them. New ones are in service.data.new_datasets."""

from uuid import UUID

from sqlalchemy.orm import Session

from service.data.damage import damage_of_dataset
from service.data.numbers import (
    Kept,
    read_chosen_rows,
    read_rows,
    release_numbers,
)
from service.errors import DatasetCameWithJob, DatasetIsUsed, DatasetNotFound, InvalidRequest
from service.storage import Storage
from service.store import datasets
from service.store.database import Database
from service.store.tables import Dataset
from slope.spec.data import StoredDataset
from slope.spec.faults import Fault
from slope.spec.names import no_such, shortened
from slope.splits import sample_rows
from slope.tabular.left_out import reason_left_out


def get_dataset(session: Session, dataset_id: UUID) -> Dataset:
    dataset = datasets.find_dataset(session, dataset_id)
    if dataset is None:
        raise DatasetNotFound(dataset_id)
    return dataset


def find_stored(session: Session, wanted: StoredDataset) -> Dataset:
    """The dataset that a request names, with its triangle.

    Raises InvalidRequest at what is wrong below `/dataset`, and DatasetDamaged.
    """
    dataset_id = wanted.id or _named(session, wanted.name or "", wanted.version)
    dataset = datasets.find_dataset(session, dataset_id, with_triangle=True)
    if dataset is None:
        raise _refused("id", f"There is no dataset {dataset_id}")
    if damage := damage_of_dataset(dataset):
        raise damage
    return dataset


def _named(session: Session, name: str, version: int | None) -> UUID:
    if found := datasets.find_named(session, name, version):
        return found
    told = shortened(name)
    if version is not None and datasets.find_named(session, name, None):
        raise _refused("version", f"The dataset {told} has no version {version}: GET /v1/datasets?name= lists them")
    raise _refused("name", f"There is no dataset of the name {told}: GET /v1/datasets lists all")


def _refused(member: str, detail: str) -> InvalidRequest:
    return InvalidRequest(detail, [Fault(detail, f"/dataset/{member}")])


def rename_dataset(database: Database, dataset_id: UUID, name: str | None) -> Dataset:
    """Let a dataset have another name, of which it is the newest version; its own name changes nothing."""
    with database.writing() as session:
        dataset = get_dataset(session, dataset_id)
        if dataset.is_inline:
            raise DatasetCameWithJob
        if dataset.name != name:
            datasets.name_dataset(session, dataset, name)
            session.commit()
    with database.reading() as session:
        return get_dataset(session, dataset_id)


def no_such_column(dataset: Dataset, name: str) -> str:
    """Of a column that a dataset lacks: that text=drop left it out, or which ones there are."""
    known = [column["name"] for column in dataset.columns]
    return reason_left_out(name, dataset.notes) or no_such("column", name, known, "in the dataset")


def largest_numbers(dataset: Dataset) -> dict[str, float]:
    """Of each column, by its name and without a sign."""
    return {column["name"]: max(abs(column["min"] or 0.0), abs(column["max"] or 0.0)) for column in dataset.columns}


def list_datasets(
    session: Session, *, name: str | None, before: UUID | None, limit: int
) -> tuple[list[Dataset], UUID | None]:
    """Uploaded datasets newest first, and where the next page goes on."""
    found = datasets.select_datasets(session, name=name, before=before, limit=limit + 1)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


MOST_NUMBERS_ON_A_PAGE = 1_000_000
"""About 20 MB; a page has at least one row."""


def list_rows(
    storage: Storage, dataset: Dataset, *, after: int, limit: int
) -> tuple[list[dict[str, float]], int | None]:
    """Rows ascending, by column, and the row after which the next page begins. Raises as `read_batches` does."""
    names, start = [column["name"] for column in dataset.columns], after + 1
    count = min(limit, max(1, MOST_NUMBERS_ON_A_PAGE // len(names)), dataset.rows - start)
    if count <= 0:
        return [], None
    matrix = read_rows(storage, Kept.of(dataset), names, range(start, start + count))
    end = start + count
    return [dict(zip(names, row, strict=True)) for row in matrix.tolist()], end - 1 if end < dataset.rows else None


def sample_of_rows(
    storage: Storage, dataset: Dataset, *, count: int, seed: int
) -> tuple[list[dict[str, float]], list[int]]:
    """Rows chosen by chance, ascending, by column, and their numbers. Raises as `read_batches` does."""
    names = [column["name"] for column in dataset.columns]
    chosen = sample_rows(dataset.rows, min(count, max(1, MOST_NUMBERS_ON_A_PAGE // len(names))), seed)
    matrix = read_chosen_rows(storage, Kept.of(dataset), names, chosen)
    return [dict(zip(names, row, strict=True)) for row in matrix.tolist()], chosen


def delete_dataset(database: Database, storage: Storage, dataset_id: UUID) -> None:
    """Delete a dataset with its numbers. Raises DatasetIsUsed while a job refers to it."""
    with database.writing() as session:
        removed = datasets.remove_dataset(session, dataset_id)
        if removed is None:
            get_dataset(session, dataset_id)  # another may have deleted it
            raise DatasetIsUsed
        session.commit()
    release_numbers(database, storage, removed)
