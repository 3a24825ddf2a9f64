"""Jobs that go on from others: what is copied of the other when the new one is accepted."""

from dataclasses import replace
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from service.data import numbers
from service.data.damage import damage_told
from service.errors import ReplayTooLong
from service.jobs.starts import ALIKE, Start
from service.jobs.training_data import Sample, sample_for_job, translated_faults
from service.records import replay
from service.storage import Storage
from service.store.database import Database
from service.store.jobs import jobs
from service.store.tables import Job
from slope.data import steps_per_epoch
from slope.scaling import Scaler
from slope.spec import Fault, JobRequest, TrainingSpec, invalid
from slope.spec.data import default_features
from slope.spec.job import InitialFrom
from slope.spec.names import counted
from slope.spec.part import infinite_from

_ANY_CAN_READ = "eager"
"""Torch's own state of its optimizers: engines in compiled code begin with it, too."""


def find_start(database: Database, storage: Storage, request: JobRequest) -> Start:
    """Where a job begins that goes on from another.

    Raises InvalidRequest, JobDamaged, ReplayTooLong and ReplayDiffers.
    """
    asked = request.initial_from
    assert asked is not None  # it says from which
    with translated_faults(request, "The job cannot go on so"):
        sample = sample_for_job(database, storage, request)
        with damage_told(database, asked.job), database.reading() as session:
            job = jobs.find_job(session, asked.job, with_numbers=True)
            if job is None:
                raise invalid(("initial_from", "job"), f"There is no job {asked.job} to go on from")
            _refuse_other_features(job, sample, request.hyperparameters)
            epoch = _epoch_of(job, asked)
            if asked.optimizer_state:
                _refuse_other_optimizer(storage, job, request.hyperparameters, sample)
            start = _copied(session, storage, job, epoch, asked)
            _refuse_infinite(start, epoch, request.hyperparameters.dtype)
            return start


def _refuse_other_features(job: Job, sample: Sample, spec: TrainingSpec) -> None:
    own, other = sample.features, job.features
    if len(own) != len(other):
        raise invalid(
            ("initial_from", "job"),
            f"That job has {counted(len(other), 'feature')}, and the data of this one has {len(own)}",
        )
    nameless = default_features(len(own))
    if own != other and nameless not in (own, other):
        place = next(number for number, pair in enumerate(zip(own, other, strict=True)) if pair[0] != pair[1])
        detail = f"Feature {place} of that job is {other[place]}, and of this one {own[place]}: name them in its order"
        raise invalid(("initial_from", "job"), detail)
    if job.training_spec.fit_bias and not spec.fit_bias:
        raise invalid(("hyperparameters", "fit_bias"), "The job to go on from has a bias: this one needs one, too")


def _epoch_of(job: Job, asked: InitialFrom) -> int:
    if not job.epochs_done:
        raise invalid(("initial_from", "job"), f"That job is {job.status} and has trained no epoch yet")
    if asked.epoch is not None and asked.epoch >= job.epochs_done:
        trained = counted(job.epochs_done, "epoch")
        detail = f"That job has trained {trained}, counted from 0: there is no epoch {asked.epoch}"
        raise invalid(("initial_from", "epoch"), detail)
    return job.epochs_done - 1 if asked.epoch is None else asked.epoch


def _refuse_other_optimizer(storage: Storage, job: Job, spec: TrainingSpec, sample: Sample) -> None:
    """The other's memory means nothing to another optimizer, nor to other units."""
    other = job.training_spec
    for name in ALIKE:
        if getattr(other, name) != getattr(spec, name):
            detail = (
                f"That job's {name} is {other.model_dump(mode='json')[name]}: take the same, or leave its state out"
            )
            raise invalid(("hyperparameters", name), detail)
    if spec.standardize and not _has_same_data(storage, job, spec, sample):
        detail = "That job has standardized other rows, and its optimizer knows no other units: leave its state out"
        raise invalid(("initial_from", "optimizer_state"), detail)
    if job.place is not None:
        detail = "That job trained with others of a sweep, whose optimizers have no state of their own: leave it out"
        raise invalid(("initial_from", "optimizer_state"), detail)
    if job.planned.engine != _ANY_CAN_READ and spec.engine not in ("auto", job.planned.engine):
        detail = f"That job's state is of the engine {job.planned.engine}: take it, or leave the state out"
        raise invalid(("hyperparameters", "engine"), detail)


def _has_same_data(storage: Storage, job: Job, spec: TrainingSpec, sample: Sample) -> bool:
    other = job.training_spec
    if (other.split, other.seed if other.holds_back else 0) != (spec.split, spec.seed if spec.holds_back else 0):
        return False
    if sample.dataset_id is not None:
        own = (sample.dataset_id, sample.features, sample.target, sample.weights)
        return own == (job.dataset_id, job.features, job.target, job.row_weights)
    if sample.arrays is None or sample.rows != job.dataset.rows:
        return False
    rows = numbers.load_job_data(storage, job)
    pairs = [(rows.x, sample.arrays.x), (rows.y, sample.arrays.y), (rows.weights, sample.arrays.weights)]
    return all(np.array_equal(one, two) if one is not None and two is not None else one is two for one, two in pairs)


def _copied(session: Session, storage: Storage, job: Job, epoch: int, asked: InitialFrom) -> Start:
    origin: dict[str, Any] = {"job": str(job.id), "epoch": epoch, "optimizer_state": asked.optimizer_state}
    try:
        weights, bias = _in_own_units(job, replay.parameters_of(session, storage, job, epoch))
        state = replay.state_after(session, storage, job, epoch) if asked.optimizer_state else None
    except ReplayTooLong as error:
        detail = f"{error.detail.split(':')[0]}: name an earlier epoch, or leave the state out"
        raise ReplayTooLong(detail, [Fault(detail, "/initial_from/epoch")]) from error
    if state is None:
        return Start(origin, weights, bias)
    return _with_state(job, epoch, Start(origin, weights, bias), state)


def _refuse_infinite(start: Start, epoch: int, dtype: str) -> None:
    """Refuse parameters that the new job's dtype does not hold."""
    parameters = [*start.weights, *([] if start.bias is None else [start.bias])]
    if not all(abs(number) < infinite_from(dtype) for number in parameters):
        advice = "name an earlier epoch" if dtype == "float64" else "name an earlier epoch, or take dtype float64"
        detail = f"That job's parameters after epoch {epoch} are too large for {dtype}: {advice}"
        raise invalid(("initial_from", "epoch"), detail)


def _with_state(job: Job, epoch: int, start: Start, state: bytes) -> Start:
    from slope.handover import begin_anew  # torch

    spec, engine = job.training_spec, job.planned.engine
    steps = (epoch + 1) * steps_per_epoch(job.dataset.rows - sum(spec.held_back(job.dataset.rows)), spec)
    return replace(start, state=begin_anew(state, steps), engine=None if engine == _ANY_CAN_READ else engine)


def _in_own_units(job: Job, parameters: tuple[list[float], float | None]) -> tuple[list[float], float | None]:
    if not job.scaler:
        return parameters
    weights, bias = Scaler.of(job.scaler).in_own_units(np.array(parameters[0]), parameters[1])
    return weights.tolist(), bias
