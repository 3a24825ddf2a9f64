"""What a job would do: its data, its plan and its analysis, before it is queued."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from service.data.analysis import analysis_is_late
from service.errors import InvalidRequest
from service.jobs.bounds import memory_of_largest_worker, refuse_too_many_numbers, refuse_without_memory
from service.jobs.training_data import Sample, sample_for_job
from service.settings import Settings
from service.storage import Storage
from service.store.database import Database
from slope.analysis import Analysis, analyse, analysis_seconds, warnings_for
from slope.data import prepare
from slope.engines.plan import EngineDoesNotApply, EngineOption, Plan, candidates, plan
from slope.spec import Fault, JobRequest, TrainingSpec


@dataclass(frozen=True)
class Draft:
    """A request with all that is known before it is queued."""

    request: JobRequest
    sample: Sample
    plan: Plan
    candidates: list[EngineOption]
    """All engines, with what they would cost or what stands in their way."""
    analysis: Analysis | None
    analysis_follows: bool
    """Whether it takes so long that the worker is to make it."""
    warnings: list[str]


def draft_job(database: Database, storage: Storage, request: JobRequest, settings: Settings) -> Draft:
    """What a job would do. Everything that can be refused or computed is, before a transaction is opened."""
    spec, sample = request.hyperparameters, sample_for_job(database, storage, request)
    size = (sample.rows, len(sample.features))
    with database.reading() as session:
        planned = _plan(session, spec, size, request.device)
        refuse_without_memory(session, planned, request.device)
    refuse_too_many_numbers("job", planned.recorded_numbers, settings)
    analysis, follows = _analysis(sample, spec, settings), analysis_is_late(*size, settings)
    warnings = [*sample.warnings(spec), *warnings_for(spec, analysis)]
    return Draft(request, sample, planned, candidates(spec, *size, request.device), analysis, follows, warnings)


def _plan(session: Session, spec: TrainingSpec, size: tuple[int, int], device: str) -> Plan:
    """By an engine that workers have the memory for, if there is one."""
    try:
        planned = plan(spec, *size, device)
        most = memory_of_largest_worker(session, planned, device)
        return planned if most is None else plan(spec, *size, device, most)
    except EngineDoesNotApply as error:
        raise InvalidRequest(str(error), [Fault(str(error), "/hyperparameters/engine")]) from error


def _analysis(sample: Sample, spec: TrainingSpec, settings: Settings) -> Analysis | None:
    """None where it would take too long, or the rows are too many to be read now."""
    arrays = sample.arrays
    if arrays is None or analysis_seconds(sample.rows, len(sample.features)) > settings.analysis_seconds:
        return None
    return analyse(prepare(arrays.x, arrays.y, spec), spec)
