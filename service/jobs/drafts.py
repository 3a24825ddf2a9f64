"""What a job would do: its data, its plan and its analysis, before it is queued; and what is too much of it."""

from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy.orm import Session

from service.data.numbers import analysis_is_late
from service.errors import InvalidRequest, TooLargeForWorkers, TooManyNumbers
from service.jobs.training_data import Sample, Seen, sample_for_job
from service.settings import Settings
from service.storage import Storage
from service.store import workers
from service.store.database import Database
from service.store.jobs import jobs as stored
from slope.analysis import (
    LATER,
    Analysis,
    Curvature,
    analyse,
    analyse_columns,
    analysis_seconds,
    choose_rate,
    curvature_of,
    curvature_of_reduced,
    document_of,
    warnings_for,
)
from slope.answers.plan import EngineOption, Plan
from slope.data import TrainingData
from slope.engines.costs import learn
from slope.engines.plan import EngineDoesNotApply, Experience, candidates, estimate, estimate_option, plan
from slope.reduced_rows import ReducedColumns
from slope.spec import Fault, JobRequest, TrainingSpec
from slope.spec.job import device_for

LITTLE_MEMORY = 64 * 1024 * 1024
"""Every worker has this many bytes: what takes less needs no query."""
_KEPT_SECONDS = 30.0

_known: WeakKeyDictionary[Database, tuple[float, Experience]] = WeakKeyDictionary()
_reading = Lock()


@dataclass(frozen=True)
class Draft:
    """A request with all that is known before it is queued."""

    request: JobRequest
    sample: Sample
    plan: Plan
    analysis: Analysis | None
    analysis_follows: bool
    """Whether it takes so long that the worker is to make it."""
    warnings: list[str]
    experience: Experience

    @cached_property
    def spec_document(self) -> dict[str, Any]:
        """The hyperparameters as JSON has them."""
        return self.request.hyperparameters.model_dump(mode="json")

    @cached_property
    def analysis_document(self) -> dict[str, Any] | None:
        """The analysis as JSON has it."""
        return document_of(self.analysis) if self.analysis else None

    @property
    def candidates(self) -> list[EngineOption]:
        """All engines, with what they would cost or what stands in their way."""
        spec, sample = self.request.hyperparameters, self.sample
        has_triangle = sample.reduced_for(spec) is not None
        found = candidates(
            *(spec, sample.rows, len(sample.features), self.request.device),
            has_triangle=has_triangle,
            is_weighted=sample.weights is not None,
        )
        return [estimate_option(each, self.experience) for each in found]


def draft_job(
    database: Database, storage: Storage, request: JobRequest, settings: Settings, *, reads_rows: bool = True
) -> Draft:
    """What a job would do. Everything that can be refused or computed is, before a transaction is opened.

    Without `reads_rows`, what only the rows of a large dataset can tell is left to the worker, which reads them anyway.
    """
    spec, sample = request.hyperparameters, sample_for_job(database, storage, request)
    size, experience = (sample.rows, len(sample.features)), experience_of(database)
    with database.reading() as session:
        planned = estimate(_plan(session, sample, spec, request.device), experience)
        refuse_without_memory(session, planned, request.device)
    refuse_too_many_numbers("job", planned.recorded_numbers, settings)
    columns = sample.analysed_columns(spec, reads_rows=reads_rows)
    follows = columns is None and analysis_is_late(*size, settings)
    is_long = seconds_of_analysis(sample, columns) > settings.analysis_seconds
    seen = None if is_long else sample.seen(columns, spec)
    curvature = _curvature(sample, seen, spec) if spec.learning_rate == "auto" else None
    spec, planned = at_chosen_rate(spec, planned, curvature)
    analysis = analyse_seen(seen, spec)
    warnings = [*sample.warnings(spec), *warnings_for(spec, analysis)]
    settled = request.model_copy(update={"hyperparameters": spec})
    return Draft(settled, sample, planned, analysis, follows, warnings, experience)


def at_chosen_rate(spec: TrainingSpec, planned: Plan, curvature: Curvature | None) -> tuple[TrainingSpec, Plan]:
    """Both with the learning rate that is chosen, where the spec leaves it open and the data was looked at."""
    if spec.learning_rate != "auto":
        return spec, replace(planned, learning_rate=spec.rate)
    if curvature is None or (chosen := choose_rate(curvature, spec)) is None:
        return spec, replace(planned, learning_rate_rule=LATER)
    return spec.at_rate(chosen.rate), replace(planned, learning_rate=chosen.rate, learning_rate_rule=chosen.rule)


def analyse_seen(seen: Seen | None, spec: TrainingSpec) -> Analysis | None:
    if isinstance(seen, ReducedColumns):
        return analyse_columns(seen, spec)
    return None if seen is None else analyse(seen, spec)


def _curvature(sample: Sample, seen: Seen | None, spec: TrainingSpec) -> Curvature | None:
    """None where only the worker looks at the rows. A triangle takes no time, whatever an analysis of it does."""
    looked_at = sample.reduced_for(spec) if seen is None else seen
    return None if looked_at is None else curvature_seen(looked_at, spec)


def curvature_seen(seen: Seen, spec: TrainingSpec) -> Curvature:
    """Of the loss of a job that trains on it."""
    if isinstance(seen, TrainingData):
        return curvature_of(seen, spec)
    with np.errstate(all="ignore"):
        rows, scaler = seen.prepared(spec)
    return curvature_of_reduced(rows, spec, scaler)


def _plan(session: Session, sample: Sample, spec: TrainingSpec, device: str) -> Plan:
    """By an engine that workers have the memory for, if there is one."""
    size = (sample.rows, len(sample.features))
    known = {"has_triangle": sample.reduced_for(spec) is not None, "is_weighted": sample.weights is not None}
    try:
        planned = plan(spec, *size, device, **known)
        most = memory_of_largest_worker(session, planned, device)
        return planned if most is None else plan(spec, *size, device, most, **known)
    except EngineDoesNotApply as error:
        raise InvalidRequest(str(error), [Fault(str(error), "/hyperparameters/engine")]) from error


def seconds_of_analysis(sample: Sample, columns: ReducedColumns | None) -> float:
    """About how long an analysis takes, of the rows or of what stands for them."""
    features = len(sample.features)
    return analysis_seconds(features + 2 if columns else sample.rows, features)


def refuse_too_many_numbers(what: str, numbers: int, settings: Settings) -> None:
    """Raise TooManyNumbers where more would be recorded than the settings allow."""
    if numbers > settings.max_recorded_numbers:
        raise TooManyNumbers(
            f"The {what} would record {numbers:,} numbers; {settings.max_recorded_numbers:,} are allowed",
            [Fault('Record fewer epochs with "every", or no steps with "steps": "none"', "/hyperparameters/record")],
        )


def refuse_without_memory(session: Session, planned: Plan, device: str) -> None:
    """Raise TooLargeForWorkers where no live worker has it. While none is alive, nobody knows, and the job waits."""
    needed, most = planned.memory_bytes or 0, memory_of_largest_worker(session, planned, device)
    if most is not None and needed > most:
        detail = f"The job needs {needed:,} bytes of memory; a training on the largest worker may take {most:,}"
        raise TooLargeForWorkers(detail, [Fault(detail, "/dataset")])


def memory_of_largest_worker(session: Session, planned: Plan, device: str) -> int | None:
    """Bytes that a training may take on the largest worker; None where none is alive, or where it does not matter."""
    if (planned.memory_bytes or 0) <= LITTLE_MEMORY:
        return None
    return workers.largest_memory(session, device_for(device))


def experience_of(database: Database) -> Experience:
    """How long jobs take here against what is reckoned, by the last of all workers, half a minute old at most.

    Which of them will take a job, nobody knows.
    """
    whole = database.whole
    with _reading:
        read_at, found = _known.get(whole, (-_KEPT_SECONDS, {}))
        if monotonic() - read_at >= _KEPT_SECONDS:
            with whole.reading() as session:
                found = learn(stored.select_durations(session))
            _known[whole] = monotonic(), found
    return found
