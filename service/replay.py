"""Numbers that were not recorded, computed again from the nearest snapshot before them, to the same bits.

Torch is imported by the first call: the process does without it until somebody asks for something like this.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Self
from uuid import UUID

from cachetools import LRUCache, cached
from sqlalchemy.orm import Session

from service import datasets
from service.errors import ReplayDiffers
from service.settings import get_settings
from service.storage import Storage
from service.store import partitions, records
from service.store.tables import Job
from service.streams import streamed
from slope.data import TrainingData, prepare
from slope.spec import TrainingSpec

if TYPE_CHECKING:
    from slope.engines.engine import Engine
    from slope.engines.fused_member import FusedMember
    from slope.engines.reduced import Pause, Reductions
    from slope.model import Parameters
    from slope.records import StepRecord

_NUMBERS_KEPT = 4_000_000
"""Of data that is prepared, in all: 32 MB."""


@dataclass(frozen=True)
class Source:
    """What a job learns from, and how: all that its data, as it trains on it, hangs on."""

    dataset_id: UUID
    rows: int
    features: tuple[str, ...]
    target: str
    spec: str
    """As JSON."""

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(job.dataset_id, job.dataset.rows, tuple(job.features), job.target, json.dumps(job.spec))

    @property
    def training_spec(self) -> TrainingSpec:
        return _spec_of(self.spec)


@lru_cache(maxsize=256)
def _spec_of(text: str) -> TrainingSpec:
    return TrainingSpec.model_validate_json(text)


@cached(
    LRUCache(_NUMBERS_KEPT, getsizeof=lambda data: data.x.size + data.validation_x.size),
    key=lambda storage, source: source,
    lock=Lock(),
)
def prepared(storage: Storage, source: Source) -> TrainingData:
    """The data as the job trains on it; it never changes, and is kept for the next step that is asked for."""
    arrays = datasets.load(storage, source.dataset_id, source.rows, source.features, source.target)
    return prepare(arrays.x, arrays.y, source.training_spec)


def round_as_the_worker() -> None:
    """With as many threads as it has: with others torch may add in another order."""
    import torch

    torch.set_num_threads(get_settings().threads)


def steps(session: Session, storage: Storage, job: Job, epoch: int, window: range) -> "Iterator[StepRecord]":
    """Some steps of an epoch that was at least begun, computed as they are taken. Raises ReplayDiffers, at once."""
    training = _training_near(session, storage, job, epoch)
    _advance(session, job, training, epoch)
    return training.replayed(window)


def parameters_after(session: Session, storage: Storage, job: Job, epoch: int) -> "Parameters":
    """The parameters after an epoch that the job has trained. Raises ReplayDiffers."""
    training = _training_near(session, storage, job, epoch + 1)
    _advance(session, job, training, epoch + 1)
    return training.parameters


def _training_near(session: Session, storage: Storage, job: Job, epoch: int) -> "Engine | FusedMember":
    """A run that stands where the last snapshot before an epoch was taken, or at its start."""
    round_as_the_worker()
    training = _run_of(session, storage, job)
    if state := records.latest_snapshot(session, job.id, epoch):
        training.restore(state)
    return training


def _run_of(session: Session, storage: Storage, job: Job) -> "Engine | FusedMember":
    """A run that stands at its start."""
    from slope.engines.build import build
    from slope.engines.fused_member import FusedMember
    from slope.engines.reduced import Reduced

    source = Source.of(job)
    spec = source.training_spec
    if job.plan.get("streams"):
        reduce = _reduction(session, storage, job, spec)
        return Reduced(len(source.features), reduce, spec, keeps_steps=lambda epoch: False)
    data = prepared(storage, source)
    if job.place is not None and job.group_width is not None:
        return FusedMember(data, spec, job.place, job.group_width)
    return build(job.plan["engine"], data, spec, keeps_steps=lambda epoch: False)


def _reduction(session: Session, storage: Storage, job: Job, spec: TrainingSpec) -> "Callable[[Pause], Reductions]":
    """What the job's data was reduced to: it stands in SQL where it was done in partitions."""
    from slope.engines.streaming import ReducedPartition, joined

    if job.plan.get("partitions", 1) > 1:
        found = joined(map(ReducedPartition.decode, partitions.reduced(session, job.id)))
        return lambda pause: found.reductions(spec)
    data = streamed(storage, job, spec, "cpu")
    return lambda pause: data.reduce(range(job.dataset.rows), pause).reductions(spec)


def _advance(session: Session, job: Job, training: "Engine | FusedMember", epoch: int) -> None:
    """Train on to an epoch, and hold the parameters there against those that were recorded."""
    for _ in training.epochs(until=epoch):
        pass
    recorded = records.epoch_at(session, job.id, epoch - 1)
    if recorded and (recorded.weights, recorded.bias) != training.parameters:
        raise ReplayDiffers(
            f"Replayed here, the parameters before epoch {epoch} are not those that were recorded on "
            f"{job.assigned_device}: another device, thread count or version of PyTorch rounds differently"
        )
