"""What the triangle of a dataset says of some of its columns, without a look at its rows."""

from collections.abc import Callable, Sequence
from uuid import UUID

import numpy as np
import structlog
from sqlalchemy.orm import Session

from service.data import numbers
from service.errors import ServiceError
from service.storage import Storage
from service.store import datasets
from service.store.database import Database
from service.store.tables import Dataset, Job
from slope.reduced_rows import ReducedColumns, ReducedRows
from slope.triangle import Triangle, Triangulation

log = structlog.get_logger()


def reduced_columns(dataset: Dataset, features: Sequence[str], target: str) -> ReducedColumns | None:
    """The chosen columns; None where the dataset has no triangle, or no more rows than there are columns."""
    if dataset.triangle is None or dataset.rows <= len(features) + 1:
        return None
    places = {column["name"]: place for place, column in enumerate(dataset.columns)}
    chosen = [places[name] for name in (*features, target)]
    triangle = Triangle.decode(dataset.triangle, dataset.rows).chosen(chosen)
    lowest, highest = ([dataset.columns[place][end] for place in chosen] for end in ("min", "max"))
    return ReducedColumns(ReducedRows(triangle, dataset.rows), np.array(lowest, float), np.array(highest, float))


def job_columns(session: Session, job: Job) -> ReducedColumns:
    """Of a job that is planned to train from its dataset's triangle, which is never taken away."""
    columns = find_columns(session, job)
    if columns is None:
        raise AssertionError(f"The dataset {job.dataset_id} has no triangle")
    return columns


def find_columns(session: Session, job: Job) -> ReducedColumns | None:
    """Of a job whose dataset may have a triangle."""
    dataset = datasets.find_dataset(session, job.dataset_id, with_triangle=True)
    return None if dataset is None else reduced_columns(dataset, job.features, job.target)


def ensure_triangle(
    database: Database, storage: Storage, dataset_id: UUID, most_columns: int, is_stopped: Callable[[], bool]
) -> None:
    """Give a dataset that was read in before there were any its triangle. What goes wrong is left to its next use."""
    try:
        if database.query(datasets.has_triangle, dataset_id):
            return
        with database.reading() as session:
            dataset = datasets.find_dataset(session, dataset_id)
        if dataset and not dataset.is_inline and len(dataset.columns) <= most_columns:
            _add_triangle(database, storage, dataset, is_stopped)
    except ServiceError as error:
        log.warning("a dataset did not get its triangle", dataset_id=str(dataset_id), error=str(error))


def _add_triangle(database: Database, storage: Storage, dataset: Dataset, is_stopped: Callable[[], bool]) -> None:
    names = [column["name"] for column in dataset.columns]
    taken = Triangulation(len(names))
    for matrix in numbers.read_columns(storage, numbers.Kept.of(dataset), names):
        if is_stopped():
            return
        taken.add(list(matrix.T))
    triangle = taken.triangle()
    if triangle is not None:
        with database.writing() as session:
            datasets.keep_triangle(session, dataset.id, triangle.encode())
            session.commit()
