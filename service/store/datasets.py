"""Datasets: rows and targets, kept as the doubles they are."""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from service.store.database import now
from service.store.tables import Dataset, Job

_DOUBLES = np.dtype("<f8")


@dataclass(frozen=True)
class Arrays:
    """x is N × D, y is N; both float64."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]


def add(session: Session, arrays: Arrays) -> UUID:
    rows, features = arrays.x.shape
    dataset = Dataset(
        id=uuid7(),
        created_at=now(session),
        rows=rows,
        features=features,
        x=arrays.x.astype(_DOUBLES).tobytes(),
        y=arrays.y.astype(_DOUBLES).tobytes(),
    )
    session.add(dataset)
    session.flush()
    return dataset.id


def load(session: Session, dataset_id: UUID) -> Arrays:
    """The numbers of a dataset that exists."""
    row = session.execute(
        select(Dataset.rows, Dataset.features, Dataset.x, Dataset.y).where(Dataset.id == dataset_id)
    ).one()
    x = np.frombuffer(row.x, _DOUBLES).reshape(row.rows, row.features)
    return Arrays(x.astype(np.float64), np.frombuffer(row.y, _DOUBLES).astype(np.float64))


def hold(session: Session, dataset_id: UUID) -> bool:
    """Let nobody delete a dataset until the transaction ends. False when it is not there."""
    held = select(Dataset.id).where(Dataset.id == dataset_id).with_for_update(read=True, key_share=True)
    return session.scalar(held) is not None


def remove_unused(session: Session, dataset_id: UUID) -> None:
    """Delete a dataset that no job refers to."""
    session.execute(select(Dataset.id).where(Dataset.id == dataset_id).with_for_update())  # wait for who holds it
    session.execute(delete(Dataset).where(Dataset.id == dataset_id, ~exists().where(Job.dataset_id == dataset_id)))
