"""The jobs of a sweep before they are queued: what trains with what, what each would do, what is known of the data."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from pydantic import ValidationError
from uuid_utils.compat import uuid7

from service.datasets import Arrays
from service.errors import InvalidRequest, TooManyNumbers
from service.samples import Sample, sample_of
from service.storage import Storage
from service.store.database import Database
from slope.analysis import Analysis, analyse, warnings_for
from slope.data import prepare, training_rows
from slope.engines.groups import groups_of, likeness, obstacle
from slope.engines.plan import AUTO_RECORDED_NUMBERS, Plan, plan
from slope.spec import DatasetReference, Fault, JobRequest, SweepRequest, TrainingSpec, faults_of
from slope.spec.training import Recording

_ANALYSES = 1e9
"""Multiplications that all analyses of a sweep may take, about two seconds; beyond them it goes without."""
_ONE_ANALYSIS = 5e5
_SECONDS_PER_STEP, _SECONDS_PER_RESIDUAL, _SECONDS_PER_ROW = 250e-6, 6e-9, 20e-6
"""What a step of a group took on two cores, what each of its residuals did, and a recorded row of each model."""


@dataclass(frozen=True)
class Place:
    """Where a job of a sweep trains: in which group, and as which of its models."""

    group_id: UUID
    width: int
    place: int


@dataclass(frozen=True)
class Member:
    """One job of a sweep with all that is known before it is queued. No place: it trains alone."""

    request: JobRequest
    plan: Plan
    analysis: Analysis | None
    place: Place | None

    @property
    def warnings(self) -> list[str]:
        return warnings_for(self.request.hyperparameters, self.analysis) if self.analysis else []


def sample_for(database: Database, storage: Storage, request: SweepRequest) -> Sample:
    """What all jobs learn from. Raises InvalidRequest where one of them does not fit a stored dataset."""
    are_doubles = all(job.hyperparameters.dtype == "float64" for job in request.jobs)
    spec = TrainingSpec(dtype="float64" if are_doubles else "float32")
    sample = sample_of(database, storage, JobRequest.model_construct(dataset=request.dataset, hyperparameters=spec))
    if isinstance(request.dataset, DatasetReference):
        _refuse_misfits(request, sample)
    return sample


def members(request: SweepRequest, sample: Sample, max_numbers: int) -> list[Member]:
    """The jobs, planned and analysed. What is the same for many is computed once."""
    rows, features = sample.rows, len(sample.features)
    specs = [job.hyperparameters for job in request.jobs]
    places = _places(specs, rows)
    plans = _plans(specs, places, rows, features)
    if (numbers := sum(each.recorded_numbers for each in plans)) > max_numbers:
        raise TooManyNumbers(
            f"The sweep would record {numbers:,} numbers; {max_numbers:,} are allowed",
            [Fault('Record fewer epochs with "every", or no steps with "steps": "none"', "/hyperparameters/record")],
        )
    analyses = _analyses(specs, sample.arrays) if sample.arrays else {}
    return [
        Member(job, planned, analyses.get(_analysed(job.hyperparameters)), places.get(index))
        for index, (job, planned) in enumerate(zip(request.jobs, plans, strict=True))
    ]


def _refuse_misfits(request: SweepRequest, sample: Sample) -> None:
    try:
        for index, job in enumerate(request.jobs):
            request.check(index, job, sample.rows, len(sample.features))
    except ValidationError as error:
        faults = faults_of(error.errors(), request.model_dump())
        raise InvalidRequest("The sweep does not fit its dataset", faults) from error


def _places(specs: Sequence[TrainingSpec], rows: int) -> dict[int, Place]:
    """By index of the setting; those that are left out train alone."""
    places: dict[int, Place] = {}
    for group in groups_of(specs, rows):
        group_id = uuid7()
        places |= {index: Place(group_id, len(group), place) for place, index in enumerate(group)}
    return places


def _plans(specs: Sequence[TrainingSpec], places: dict[int, Place], rows: int, features: int) -> list[Plan]:
    known: dict[Hashable, Plan] = {}
    plans = []
    for index, spec in enumerate(specs):
        place = places.get(index)
        key = (likeness(spec, rows), place.width if place else None, obstacle(spec))
        if key not in known:
            known[key] = _fused(spec, place, len(specs), rows, features) if place else _alone(spec, rows, features)
        plans.append(known[key])
    return plans


def _fused(spec: TrainingSpec, place: Place, jobs: int, rows: int, features: int) -> Plan:
    """Steps are recorded automatically only where those of the whole sweep are few."""
    without = plan(_recording(spec, "none"), rows, features)
    with_steps = plan(_recording(spec, "all"), rows, features)
    are_few = jobs * (with_steps.recorded_numbers - without.recorded_numbers) <= AUTO_RECORDED_NUMBERS
    chosen = with_steps if spec.record.steps == "all" or (spec.record.steps == "auto" and are_few) else without
    batch = -(-training_rows(rows, spec) * spec.epochs // chosen.steps)
    training = chosen.steps * (_SECONDS_PER_STEP + _SECONDS_PER_RESIDUAL * batch * place.width)
    written = (spec.epochs // spec.record.every + (chosen.steps if chosen.steps_recorded else 0)) * place.width
    return replace(
        chosen,
        engine="fused",
        why=f"Trains as one batch of models with {place.width - 1:,} other settings of the sweep, which share its data "
        "and the order of its batches: one autograd call a step for all of them",
        estimated_seconds=training + _SECONDS_PER_ROW * written,
    )


def _recording(spec: TrainingSpec, steps: str) -> TrainingSpec:
    return spec.model_copy(update={"record": Recording.model_validate({"steps": steps, "every": spec.record.every})})


def _alone(spec: TrainingSpec, rows: int, features: int) -> Plan:
    planned = plan(spec, rows, features)
    reason = obstacle(spec) or "no other setting of the sweep shares its data, shape and order of batches"
    return replace(planned, why=f"{planned.why}. It trains alone: {reason}")


def _analyses(specs: Sequence[TrainingSpec], arrays: Arrays) -> dict[Hashable, Analysis | None]:
    rows, features = arrays.x.shape
    different = {_analysed(spec): spec for spec in specs}
    if len(different) > 1 and len(different) * (_ONE_ANALYSIS + rows * (features + 1) ** 2) > _ANALYSES:
        return {}
    return {key: analyse(prepare(arrays.x, arrays.y, spec), spec) for key, spec in different.items()}


def _analysed(spec: TrainingSpec) -> Hashable:
    """All of a setting that its analysis depends on."""
    start = (str(spec.initial_weights), str(spec.initial_bias))
    is_random = spec.validation_fraction > 0 or "normal" in start
    chosen = (spec.loss, spec.l1 > 0, spec.l2, *sorted(spec.frozen), spec.fit_bias, spec.standardize)
    return (*chosen, spec.validation_fraction, start, spec.seed if is_random else None)
