"""The jobs of a sweep before they are queued: what trains with what, what each would do, what is known of the data."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import to_json
from uuid_utils.compat import uuid7

from service.errors import InvalidRequest, TooManyNumbers
from service.jobs.drafts import (
    analyse_seen,
    at_chosen_rate,
    curvature_seen,
    refuse_too_many_numbers,
    seconds_of_analysis,
)
from service.jobs.training_data import Sample, Seen, sample_for_job
from service.settings import Settings
from service.storage import Storage
from service.store.database import Database
from slope.analysis import Analysis, Curvature, warnings_for
from slope.answers.plan import Plan
from slope.engines.groups import groups
from slope.engines.groups.groups import groups_of
from slope.engines.plan import AUTO_RECORDED_NUMBERS, EngineDoesNotApply, Experience, estimate, plan
from slope.reduced_rows import ReducedColumns
from slope.spec import DatasetReference, Fault, JobRequest, SweepRequest, TrainingSpec, faults_of
from slope.spec.faults import pointer
from slope.spec.sweep import MAX_COPIED

_SECONDS_PER_ROW, _SECONDS_PER_JOB = 20e-6, 10e-3
"""What a recorded row took on two cores, and a job of its own besides its training."""
_TOGETHER = (
    "Trains together with {:,} other settings of the sweep, which share its data and the order of its batches: "
    "compiled steps, and their gradients held against autograd's"
)
_OF_THE_TRIANGLE = ". From the dataset's triangle, without a look at its rows"


@dataclass(frozen=True)
class GroupPlace:
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
    place: GroupPlace | None
    of_the_data: list[str]
    """Warnings that jobs of the same dtype have in common."""

    @property
    def warnings(self) -> list[str]:
        return [*self.of_the_data, *warnings_for(self.request.hyperparameters, self.analysis)]


@dataclass(frozen=True)
class _Known:
    """What is known of the data as some of the settings train on it; each is None where it is not."""

    analysis: Analysis | None
    curvature: Curvature | None


_UNKNOWN = _Known(None, None)


def sample_for_sweep(database: Database, storage: Storage, request: SweepRequest) -> Sample:
    """What all jobs learn from. Raises InvalidRequest where one of them does not fit a stored dataset."""
    are_doubles = all(job.hyperparameters.dtype == "float64" for job in request.jobs)
    spec = TrainingSpec(dtype="float64" if are_doubles else "float32")
    sample = sample_for_job(
        database, storage, JobRequest.model_construct(dataset=request.dataset, hyperparameters=spec)
    )
    if isinstance(request.dataset, DatasetReference):
        _refuse_misfits(request, sample)
    return sample


def plan_members(
    request: SweepRequest, sample: Sample, settings: Settings, experience: Experience, memory: int | None = None
) -> list[Member]:
    """The jobs, planned for workers with this many bytes, and analysed. What is the same for many is computed once."""
    _refuse_wide(len(request.jobs), sample, settings)
    specs = [job.hyperparameters for job in request.jobs]
    places = _group_places(request, sample)
    reckoned = _plans(request, places, sample, memory)
    estimated = {id(planned): estimate(planned, experience) for planned in reckoned}
    plans = [estimated[id(planned)] for planned in reckoned]
    refuse_too_many_numbers("sweep", sum(each.recorded_numbers for each in plans), settings)
    known = _known(specs, sample, settings)
    of_the_data = {_rounded(spec): sample.warnings(spec) for spec in {_rounded(spec): spec for spec in specs}.values()}
    return [
        _member(job, planned, known.get(_analysed(spec), _UNKNOWN), places.get(index), of_the_data[_rounded(spec)])
        for index, (job, spec, planned) in enumerate(zip(request.jobs, specs, plans, strict=True))
    ]


def _refuse_wide(jobs: int, sample: Sample, settings: Settings) -> None:
    """Every job has the names of the features, and will have a weight, for each of them."""
    numbers, most = jobs * len(sample.features), settings.max_sweep_numbers
    if numbers > most:
        detail = f"{jobs:,} settings of {len(sample.features):,} features are {numbers:,} weights; {most:,} are allowed"
        raise TooManyNumbers(detail, [Fault("Send fewer settings in one sweep, or choose features", "/dataset")])
    names = jobs * len(to_json(sample.features))
    if names > MAX_COPIED:
        detail = f"{jobs:,} jobs with the names of all features are {names:,} bytes; {MAX_COPIED:,} are allowed"
        raise TooManyNumbers(detail, [Fault("Send fewer settings in one sweep, or choose features", "/dataset")])


def _refuse_misfits(request: SweepRequest, sample: Sample) -> None:
    try:
        for index, job in enumerate(request.jobs):
            request.check(index, job, sample.rows, len(sample.features))
    except ValidationError as error:
        faults = faults_of(error.errors(), request.model_dump())
        raise InvalidRequest("The sweep does not fit its dataset", faults) from error


def _group_places(request: SweepRequest, sample: Sample) -> dict[int, GroupPlace]:
    """By index of the setting; those that are left out train alone."""
    specs, places = [job.hyperparameters for job in request.jobs], dict[int, GroupPlace]()
    for group in groups_of(specs, sample.rows, len(sample.features), request.device):
        if sample.weights and specs[group[0]].loss == "huber":
            continue  # of weighted rows each has a delta of its own, which compiled code does not know
        if _pays([specs[index] for index in group], sample):
            group_id = uuid7()
            places |= {index: GroupPlace(group_id, len(group), place) for place, index in enumerate(group)}
    return places


def _pays(group: Sequence[TrainingSpec], sample: Sample) -> bool:
    """Whether a group is faster than its jobs one after another, each by its own best engine; or was asked for."""
    alone = _planned(_by("auto", group[0]), sample).estimated_seconds
    was_asked_for = any(spec.engine == "fused" for spec in group)
    one_by_one = (alone + _SECONDS_PER_JOB) * len(group)
    return was_asked_for or _training_seconds(group[0], sample, len(group)) <= one_by_one


def _training_seconds(spec: TrainingSpec, sample: Sample, width: int) -> float:
    reads_rows = not _is_from_triangle(spec, sample)
    return groups.seconds(spec, sample.rows, len(sample.features), width, reads_rows=reads_rows)


def _is_from_triangle(spec: TrainingSpec, sample: Sample) -> bool:
    """Whether a group trains on its dataset's triangle, and reads no row."""
    is_reduced = groups.is_reduced(spec, sample.rows, len(sample.features))
    return is_reduced and sample.reduced_for(spec) is not None


def _planned(spec: TrainingSpec, sample: Sample, device: str = "auto", memory: int | None = None) -> Plan:
    """The plan of a job of its own."""
    known = {"has_triangle": sample.reduced_for(spec) is not None, "is_weighted": sample.weights is not None}
    return plan(spec, sample.rows, len(sample.features), device, memory, **known)


def _plans(request: SweepRequest, places: dict[int, GroupPlace], sample: Sample, memory: int | None) -> list[Plan]:
    known: dict[UUID, Plan] = {}
    plans = []
    for index, job in enumerate(request.jobs):
        spec, place = job.hyperparameters, places.get(index)
        if place is None:
            plans.append(_alone(request, index, sample, memory))
            continue
        if place.group_id not in known:
            known[place.group_id] = _fused(spec, place, len(request.jobs), sample)
        plans.append(known[place.group_id])
    return plans


def _fused(spec: TrainingSpec, place: GroupPlace, jobs: int, sample: Sample) -> Plan:
    """Steps are recorded automatically only where those of the whole sweep are few."""
    without, with_steps = (_planned(_by("eager", spec, steps), sample) for steps in ("none", "all"))
    are_few = jobs * (with_steps.recorded_numbers - without.recorded_numbers) <= AUTO_RECORDED_NUMBERS
    chosen = with_steps if spec.record.steps == "all" or (spec.record.steps == "auto" and are_few) else without
    written = (spec.epochs // spec.record.every + (chosen.steps if chosen.steps_recorded else 0)) * place.width
    from_triangle = _is_from_triangle(spec, sample)
    return replace(
        chosen,
        engine="fused",
        why=f"{_TOGETHER.format(place.width - 1)}{_OF_THE_TRIANGLE if from_triangle else ''}",
        estimated_seconds=_training_seconds(spec, sample, place.width) + _SECONDS_PER_ROW * written,
        memory_bytes=groups.memory(spec, 0 if from_triangle else sample.rows, len(sample.features), place.width),
        from_triangle=from_triangle,
    )


def _by(engine: str, spec: TrainingSpec, steps: str | None = None) -> TrainingSpec:
    """The same setting by another engine, and with its steps recorded or not."""
    record = spec.record.model_copy(update={"steps": steps}) if steps else spec.record
    return spec.model_copy(update={"engine": engine, "record": record})


def _alone(request: SweepRequest, index: int, sample: Sample, memory: int | None) -> Plan:
    job = request.jobs[index]
    try:
        planned = _planned(job.hyperparameters, sample, job.device, memory)
    except EngineDoesNotApply as error:
        location = pointer(request.location(index, ("hyperparameters", "engine")))
        raise InvalidRequest(str(error), [Fault(str(error), location)]) from error
    reason = groups.obstacle(job.hyperparameters, job.device)
    reason = reason or "no other setting shares its data and batches, or it is faster so"
    return replace(planned, why=f"{planned.why}. It trains alone: {reason}")


def _member(job: JobRequest, planned: Plan, known: _Known, place: GroupPlace | None, of_the_data: list[str]) -> Member:
    """With the learning rate that is chosen for it, where it leaves that open."""
    spec, planned = at_chosen_rate(job.hyperparameters, planned, known.curvature)
    return Member(job.model_copy(update={"hyperparameters": spec}), planned, known.analysis, place, of_the_data)


def _known(specs: Sequence[TrainingSpec], sample: Sample, settings: Settings) -> dict[Hashable, _Known]:
    """By what a setting's analysis depends on. Nothing at all where together they would take longer than one may."""
    different = {_analysed(spec): spec for spec in specs}
    columns = {key: sample.analysed_columns(spec, reads_rows=False) for key, spec in different.items()}
    if sum(seconds_of_analysis(sample, found) for found in columns.values()) > settings.analysis_seconds:
        return {}
    are_open, seen = any(spec.learning_rate == "auto" for spec in specs), dict[Hashable, Seen | None]()
    for key, spec in different.items():
        if (prepared := _prepared(spec, columns[key])) not in seen:
            seen[prepared] = sample.seen(columns[key], spec)
    return {key: _known_of(seen[_prepared(spec, columns[key])], spec, are_open) for key, spec in different.items()}


def _known_of(seen: Seen | None, spec: TrainingSpec, is_open: bool) -> _Known:
    return _Known(analyse_seen(seen, spec), curvature_seen(seen, spec) if seen is not None and is_open else None)


def _rounded(spec: TrainingSpec) -> Hashable:
    """All of a setting that decides which columns its dtype rounds."""
    return spec.dtype, spec.standardize and spec.fit_bias


def _prepared(spec: TrainingSpec, columns: ReducedColumns | None) -> Hashable:
    """All of a setting that decides what its rows are when they have been prepared; see slope.data.prepare."""
    divided = (spec.split, spec.seed if spec.holds_back else None)
    return columns is None, divided, (spec.standardize, spec.fit_bias, spec.dtype)


def _analysed(spec: TrainingSpec) -> Hashable:
    """All of a setting that its analysis depends on."""
    start = (str(spec.initial_weights), str(spec.initial_bias))
    is_random = spec.holds_back or "normal" in start
    chosen = (spec.loss, spec.l1 > 0, spec.l2, *sorted(spec.frozen), spec.fit_bias, spec.standardize)
    return (*chosen, spec.split, start, spec.seed if is_random else None)
