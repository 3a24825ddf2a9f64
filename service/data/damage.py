"""What somebody has damaged of a job, a dataset or a sweep in the database: looked for once something has failed, so
that it costs nothing before.

Every document of the row is held against what it is to be, and what stands in bytes is decoded.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import UUID

import numpy as np
import structlog
from pydantic import ValidationError
from sqlalchemy.orm import Session

from service.data.checks import DOCUMENTS, FOUND, UNREADABLE, Kind, damaged_columns, damaged_parts, succeeds
from service.errors import Damaged, DatasetDamaged, JobDamaged, SweepDamaged
from service.errors.scarcity import is_scarcity
from service.store.database import Database
from service.store.records import documents
from service.store.tables import Dataset, Job, Sweep

log = structlog.get_logger()


@contextmanager
def damage_told(database: Database, job_id: UUID) -> Iterator[None]:
    """Raise JobDamaged for what fails in the block because the job was damaged."""
    try:
        yield
    except UNREADABLE as error:
        if is_scarcity(error):
            raise
        is_of_a_document = isinstance(error, ValidationError)  # or the refusal of a request, which is to cost little
        with database.reading() as session:
            damage = find_damage(session, job_id, decodes=not is_of_a_document)
        if damage is None:
            raise
        raise damage from error


def find_damage(session: Session, row_id: UUID, kind: Kind = Job, *, decodes: bool = True) -> Damaged | None:
    """None where all that is kept of it can be read, and where the session sees no such row.

    It `decodes` what is kept in bytes, too, which of a long run is much. Raises what is_scarcity says is one: what
    cannot be read for lack of memory may be sound.
    """
    return _damage_in(session, row_id, kind, decodes=decodes) if documents.sees_row(session, kind, row_id) else None


def _damage_in(session: Session, row_id: UUID, kind: Kind, *, decodes: bool) -> Damaged | None:
    values = {name: documents.read_column(session, kind, row_id, name) for name in (*DOCUMENTS[kind], *_OTHERS[kind])}
    found = damaged_parts(kind, values) or (_damaged_bytes(session, row_id) if kind is Job and decodes else [])
    return _damaged(kind, row_id, found)


def damage_of_dataset(dataset: Dataset) -> Damaged | None:
    """The same of one that a session has: a request that names it in its body is refused before anything fails."""
    values = {name: getattr(dataset, name) for name in (*DOCUMENTS[Dataset], *_OTHERS[Dataset])}
    return _damaged(Dataset, dataset.id, damaged_parts(Dataset, values))


def hide_damage(row: Job | Dataset | Sweep) -> Damaged | None:
    """Let the row have something else in the place of what was damaged of it, which is not written. None where nothing
    was."""
    kind = type(row)
    found = damaged_columns(kind, vars(row))
    row.pretend({name: _INSTEAD.get(name) for name in found})
    if damage := _damaged(kind, row.id, list(found.values())):
        log.warning("what was damaged is left out of an answer", what=damage.noun, id=str(row.id), damaged=list(found))
    return damage


def _damaged(kind: Kind, row_id: UUID, found: list[str]) -> Damaged | None:
    return _ERRORS[kind](row_id, list(dict.fromkeys(found))) if found else None


_ERRORS: dict[Kind, type[Damaged]] = {Job: JobDamaged, Dataset: DatasetDamaged, Sweep: SweepDamaged}
_OTHERS: dict[Kind, tuple[str, ...]] = {Job: (), Dataset: ("rows", "triangle"), Sweep: ()}
"""What else its documents are to fit."""
_INSTEAD: dict[str, Any] = {
    **{name: [] for name in ("features", "predict", "columns", "notes", "swept")},
    **{name: {} for name in ("spec", "metadata_")},
}
"""What is shown in the place of documents that can be read no more; of others nothing."""


def _damaged_bytes(session: Session, job_id: UUID) -> list[str]:
    """What is kept of a job's state, what stands for its data, and what was found in that."""
    looks: dict[str, Callable[[], object]] = {
        "state": lambda: _read_states(session, job_id),
        "data": lambda: _read_data(session, job_id),
        "statistics": lambda: [FOUND(found) for found in documents.read_found(session, job_id)],
    }
    return [called for called, look in looks.items() if not succeeds(look)]


def _read_states(session: Session, job_id: UUID) -> None:
    of_group = documents.read_column(session, Job, job_id, "place") is not None
    with closing(documents.read_states(session, job_id)) as states:
        for state in states:
            _read_state(state, of_group=of_group)


def _read_state(state: bytes, *, of_group: bool) -> object:
    if of_group:
        return np.frombuffer(state)[0]
    import torch

    return torch.load(io.BytesIO(state), weights_only=True)["epoch"]


def _read_data(session: Session, job_id: UUID) -> None:
    from slope.engines.reduction.partitioned import ReducedPartition

    dataset_id = documents.read_column(session, Job, job_id, "dataset_id")
    if damage := _damage_in(session, dataset_id, Dataset, decodes=False):
        raise LookupError(damage.detail)
    names = {column["name"] for column in documents.read_column(session, Dataset, dataset_id, "columns")}
    features, target = (documents.read_column(session, Job, job_id, name) for name in ("features", "target"))
    if not names.issuperset([*features, target]):
        raise LookupError("the dataset lacks a column of the job")
    for reduced in documents.read_partitions(session, job_id):
        ReducedPartition.decode(reduced)
