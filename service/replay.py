"""Numbers that were not recorded, computed again from the nearest snapshot before them, to the same bits.

Torch is imported by the first call: the process does without it until somebody asks for something like this.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from service import datasets
from service.errors import ReplayDiffers
from service.settings import get_settings
from service.storage import Storage
from service.store import records
from service.store.tables import Job
from slope.data import TrainingData, prepare
from slope.spec import TrainingSpec

if TYPE_CHECKING:
    from slope.engines.fused_member import FusedMember
    from slope.loop import Training
    from slope.model import Parameters
    from slope.records import StepRecord


def prepared(storage: Storage, job: Job) -> TrainingData:
    """The data as the job trains on it. From here on torch rounds as it does in a worker."""
    import torch

    torch.set_num_threads(get_settings().threads)
    arrays = datasets.load_for(storage, job)
    return prepare(arrays.x, arrays.y, TrainingSpec.model_validate(job.spec))


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


def _training_near(session: Session, storage: Storage, job: Job, epoch: int) -> "Training | FusedMember":
    """A run that stands where the last snapshot before an epoch was taken, or at its start."""
    from slope.engines.fused_member import FusedMember
    from slope.loop import Training

    data, spec = prepared(storage, job), TrainingSpec.model_validate(job.spec)
    training: Training | FusedMember
    if job.place is not None and job.group_width is not None:
        training = FusedMember(data, spec, job.place, job.group_width)
    else:
        training = Training(data, spec, keeps_steps=lambda epoch: False)
    if state := records.latest_snapshot(session, job.id, epoch):
        training.restore(state)
    return training


def _advance(session: Session, job: Job, training: "Training | FusedMember", epoch: int) -> None:
    """Train on to an epoch, and hold the parameters there against those that were recorded."""
    for _ in training.epochs(until=epoch):
        pass
    recorded = records.epoch_at(session, job.id, epoch - 1)
    if recorded and (recorded.weights, recorded.bias) != training.parameters:
        raise ReplayDiffers(
            f"Replayed here, the parameters before epoch {epoch} are not those that were recorded on "
            f"{job.assigned_device}: another device, thread count or version of PyTorch rounds differently"
        )
