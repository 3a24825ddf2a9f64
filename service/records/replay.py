"""Numbers that were not recorded, computed again from the nearest snapshot before them, to the same bits.

Torch is imported by the first call: the process does without it until somebody asks for something like this.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Self
from uuid import UUID

from cachetools import LRUCache, cached
from sqlalchemy.orm import Session

from service.data import numbers
from service.data.numbers import Kept
from service.data.streamed import stream_job_data
from service.data.triangles import job_columns
from service.errors import ClientGone, ReplayDiffers, ReplayTooLong
from service.settings import get_settings
from service.storage import Storage
from service.store.leases import partitions
from service.store.records import records
from service.store.tables import Job
from service.store.tables.base import write_document
from slope.calling_off import is_called_off
from slope.data import TrainingData, prepare, unread_data
from slope.engines.costs import Work, replay_seconds
from slope.engines.groups import groups
from slope.engines.layouts.lane_rules import LANES
from slope.engines.plan import holds_rows
from slope.spec import Fault, TrainingSpec

if TYPE_CHECKING:
    from slope.engines.groups.member import FusedMember
    from slope.engines.reduction.reduced import Pause, Reductions
    from slope.model import Parameters
    from slope.records import StepRecord
    from slope.run import Run

_NUMBERS_KEPT = 4_000_000
"""Of data that is prepared, in all: 32 MB."""


@dataclass(frozen=True)
class Source:
    """What a job learns from, and how: all that its data, as it trains on it, depends on."""

    object_id: UUID
    """No other numbers have it, wherever they are."""
    rows: int
    features: tuple[str, ...]
    target: str
    spec: str
    """As the database keeps it."""
    kept: Kept = field(compare=False)
    weights: str | None = None

    @classmethod
    def of(cls, job: Job) -> Self:
        rows, spec = job.dataset.rows, write_document(job.spec)
        return cls.kept_as(Kept.of(job.dataset), rows, job.features, job.target, spec, job.row_weights)

    @classmethod
    def kept_as(
        cls, kept: Kept, rows: int, features: Sequence[str], target: str, spec: str, weights: str | None
    ) -> Self:
        return cls(kept.object_id, rows, tuple(features), target, spec, kept, weights)

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
def prepared_data(storage: Storage, source: Source) -> TrainingData:
    """The data as the job trains on it; it never changes, and is kept for the next step that is asked for."""
    arrays = numbers.load_columns(storage, source.kept, source.rows, source.features, source.target, source.weights)
    return prepare(arrays.x, arrays.y, source.training_spec, arrays.weights)


def round_as_the_worker() -> None:
    """With as many threads as it has: with others torch may add in another order."""
    import torch

    torch.set_num_threads(get_settings().threads)


def replay_steps(
    session: Session, storage: Storage, job: Job, epoch: int, window: range, *, through: int
) -> "Iterator[StepRecord]":
    """Some steps of an epoch that was at least begun, computed as they are taken.

    `through` is how many steps of the epoch somebody waits for before the first is sent. Raises ReplayTooLong and
    ReplayDiffers before the first.
    """
    training = _training_near(session, storage, job, epoch, through)
    _advance(session, job, training, epoch)
    return training.replayed(window)


def parameters_after(session: Session, storage: Storage, job: Job, epoch: int) -> "Parameters":
    """The parameters after an epoch that the job has trained; after -1, those it begins with.

    Raises ReplayTooLong and ReplayDiffers.
    """
    training = _training_near(session, storage, job, epoch + 1, 0)
    _advance(session, job, training, epoch + 1)
    return training.parameters


def parameters_of(session: Session, storage: Storage, job: Job, epoch: int) -> tuple[list[float], float | None]:
    """The same, as they were recorded if they were, and as the job trains them."""
    if recorded := records.epoch_at(session, job.id, epoch):
        return recorded.weights, recorded.bias
    parameters = parameters_after(session, storage, job, epoch)
    assert parameters.weights is not None
    return parameters.weights, parameters.bias


def state_after(session: Session, storage: Storage, job: Job, epoch: int) -> bytes:
    """The checkpoint after an epoch of a job that trained by itself. Raises ReplayTooLong and ReplayDiffers."""
    training = _training_near(session, storage, job, epoch + 1, 0)
    _advance(session, job, training, epoch + 1)
    from slope.run import Run

    assert isinstance(training, Run)  # members of groups keep other states
    return training.checkpoint()


def _training_near(session: Session, storage: Storage, job: Job, epoch: int, through: int) -> "Run | FusedMember":
    """A run that stands where the last snapshot before an epoch was taken, or at its start."""
    snapshot = records.latest_snapshot(session, job.id, epoch)
    _refuse_too_long(job, epoch - (snapshot.epoch if snapshot else 0), through)
    round_as_the_worker()
    training = _run_of(session, storage, job)
    if snapshot:
        training.restore(snapshot.state)
    return training


def _refuse_too_long(job: Job, epochs: int, through: int) -> None:
    """Before anything is read or computed: these epochs, and steps of the next, would be computed again."""
    settings, numbers = get_settings(), job.dataset.rows * (len(job.features) + 1)
    if numbers > settings.replay_numbers and holds_rows(job.planned):
        raise _too_long(f"The data has {numbers:,} numbers, and would be read; {settings.replay_numbers:,}")
    seconds = _seconds(job, epochs, through)
    if seconds > settings.replay_seconds:
        raise _too_long(f"It would take about {seconds:,.0f} s to compute this again; {settings.replay_seconds:g} s")


def _seconds(job: Job, epochs: int, through: int) -> float:
    """What the plan says of the job, for a part of it."""
    spec, engine = job.training_spec, job.planned.engine
    size = (job.dataset.rows, len(job.features))
    share = epochs + through / Work.of(spec, *size, keeps_steps=False).steps
    if engine == "fused":
        return groups.seconds(spec, *size, LANES) / spec.epochs * share
    return replay_seconds(engine, spec, *size, share)


def _too_long(what: str) -> ReplayTooLong:
    detail = f"{what} are allowed: ask for an earlier step, or train again with these steps recorded"
    return ReplayTooLong(detail, [Fault(detail, "/path/epoch")])


def _run_of(session: Session, storage: Storage, job: Job) -> "Run | FusedMember":
    """A run that stands at its start."""
    from slope.engines.build import build, build_reduced

    spec = job.training_spec
    if job.place is not None:
        return _member(session, storage, job)
    if not holds_rows(job.planned):
        reduce = _reduction(session, storage, job)
        return build_reduced(len(job.features), reduce, spec, keeps_steps=False, interrupted=is_called_off)
    data = prepared_data(storage, Source.of(job))
    return build(job.planned.engine, data, spec, keeps_steps=False, interrupted=is_called_off)


def _member(session: Session, storage: Storage, job: Job) -> "FusedMember":
    from slope.engines.groups.member import FusedMember

    spec = job.training_spec
    if holds_rows(job.planned):
        return FusedMember(prepared_data(storage, Source.of(job)), spec, pause=_pause)
    found = _reduction(session, storage, job)(_pause)
    return FusedMember(unread_data(len(job.features), found.scaler), spec, reductions=found, pause=_pause)


ROUNDED_BEFORE = ("reduced", "composed", "compiled", "fused")
_ROUNDING = 1e-9
"""Relative: what engines agree to with one another."""
_COARSE_ROUNDING = 1e-4
"""The same of earlier versions' sweeps, which computed in the dtype of the job, where that is float32."""


def _pause() -> None:
    if is_called_off():
        raise ClientGone


def _reduction(session: Session, storage: Storage, job: Job) -> "Callable[[Pause], Reductions]":
    """What the job's data was reduced to: it stands in SQL where it was done in partitions."""
    from slope.engines.reduction.partitioned import ReducedPartition, join_partitions

    spec = job.training_spec
    if job.planned.from_triangle:
        whole = ReducedPartition.of_columns(job_columns(session, job))
        return lambda pause: whole.reductions(spec)
    if job.planned.partitions > 1:
        found = join_partitions(map(ReducedPartition.decode, partitions.reduced_partitions(session, job.id)))
        return lambda pause: found.reductions(spec)
    data = stream_job_data(storage, job, "cpu")
    return lambda pause: data.reduce(range(job.dataset.rows), pause).reductions(spec)


def _advance(session: Session, job: Job, training: "Run | FusedMember", epoch: int) -> None:
    """Train on to an epoch, and hold the parameters there against those that were recorded."""
    for _ in training.blocks(until=epoch):
        pass
    recorded = records.epoch_at(session, job.id, epoch - 1)
    if recorded and not _meets(recorded.weights, recorded.bias, training.parameters, job):
        raise ReplayDiffers(
            f"Replayed here, the parameters before epoch {epoch} are not those that were recorded on "
            f"{job.assigned_device}: another device, thread count or version of PyTorch rounds differently"
        )


def _meets(weights: list[float], bias: float | None, replayed: "Parameters", job: Job) -> bool:
    """Whether they are the same bits; an earlier version's compiled engines rounded in another way."""
    if (weights, bias) == replayed:
        return True
    engine, largest = job.planned.engine, max(map(abs, (*weights, bias or 0.0)), default=0.0)
    is_coarse = engine == "fused" and job.training_spec.dtype == "float32"
    rounding = _COARSE_ROUNDING if is_coarse else _ROUNDING
    return engine in ROUNDED_BEFORE and replayed.is_close_to(type(replayed)(weights, bias), rounding * largest)
