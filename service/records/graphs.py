"""Graphs of steps and of expressions, and whose an epoch's gradient was.

Torch is imported by the first call: the process does without it until somebody asks for something like this.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy.orm import Session

from service.data.numbers import Kept
from service.errors import ClientGone, EpochTooLong, GradientDiffers, InvalidRequest, StepNotFound, StepTooLarge
from service.jobs import jobs
from service.records import pages, replay
from service.records.replay import Source
from service.storage import Storage
from service.store.database import Database
from service.store.records.records import RecordedStep, recorded_step
from service.store.tables import Job, Step
from slope.calling_off import is_called_off
from slope.data import RowsOfSteps
from slope.expression_tokens import ExpressionFault
from slope.spec import Fault, TrainingSpec
from slope.spec.graph import GraphRequest

if TYPE_CHECKING:
    from slope.graph import DrawnGraph
    from slope.graph.audit import Audit
    from slope.model import Parameters
    from slope.records import StepRecord

MAX_AUDITED_STEPS = 10_000
"""About three seconds."""
MAX_AUDITED_NUMBERS = 10_000_000
"""Of all rows' contributions to all parameters: about 200 MB."""


@dataclass(frozen=True)
class StepGraph:
    """The graph of a step. Its gradient has been held against the record, where there is one."""

    graph: "DrawnGraph"
    epoch: int
    step: int
    gradient: "Parameters | None"
    """As it was recorded; None of a job's first step where that broke it."""
    rows: list[int]
    row: int
    """The one that is shown, by its index in the dataset."""


@dataclass(frozen=True)
class Origin:
    """What the steps of a job are done again from, and who recorded them."""

    source: Source
    spec: TrainingSpec
    engine: str
    device: str | None

    @classmethod
    def of(cls, job: Job) -> "Origin":
        return cls(Source.of(job), job.training_spec, job.planned.engine, job.assigned_device)

    @property
    def is_exact(self) -> bool:
        """Whether the engine adds as autograd does here; the others round on other ways."""
        return self.engine == "eager"

    def batches(self, epoch: int) -> RowsOfSteps:
        """The rows of every step of an epoch, as indices in the dataset."""
        return RowsOfSteps(self.source.rows, self.spec, epoch)


def graph_of_expression(request: GraphRequest) -> "DrawnGraph":
    """The graph of a formula. Raises InvalidRequest for an exponent that turns out too large."""
    from slope.graph.formula import graph_of

    try:
        return graph_of(request.expression, request.values, request.requires_grad, request.upstream)
    except ExpressionFault as fault:
        raise InvalidRequest(str(fault), [Fault(str(fault), "/expression")]) from fault


def graph_of_step(
    database: Database,
    storage: Storage,
    job_id: UUID,
    epoch: int,
    step: int,
    *,
    row: int | None,
    features: Sequence[int],
) -> StepGraph:
    """The graph of a step, stored or replayed, with one row of its batch and some features shown one by one.

    The first step of a job that broke in it was not recorded, and is done again all the same.

    Raises EpochNotFound, StepNotFound, StepTooLarge, ReplayDiffers, InvalidRequest for a row that is not in the batch,
    and GradientDiffers where autograd does not come to the gradient that was recorded.
    """
    from slope.graph.step import StepTrace, batch_of

    replay.round_as_the_worker()
    found = _recorded(database, job_id, epoch, step)
    if found is None and (epoch, step) == (0, 0):
        found = _broken_at_start(database, storage, job_id)
    record, origin, left = found or _replayed(database, storage, job_id, epoch, step)
    batches = origin.batches(epoch)
    _refuse_too_large(origin, batches.size)  # also where nothing had to be computed again
    rows = batches[step]
    shown = _row_of(rows, row)
    _refuse_other_features(features, len(origin.source.features))
    batch = batch_of(replay.prepared_data(storage, origin.source), origin.spec, rows)
    traced = StepTrace(origin.spec, record.parameters, batch, left)
    if record.gradient is not None and not traced.bears_out(record.gradient, to_the_bit=origin.is_exact):
        raise _differs(origin, epoch, step)
    graph = traced.graph(shown, features or None)
    of_batch = "" if len(rows) == 1 else f" of {len(rows)}"
    title = f"Epoch {epoch}, step {step}, row {shown}{of_batch}: {graph.title}"
    return StepGraph(replace(graph, title=title), epoch, step, record.gradient, rows, shown)


def audit_epoch(database: Database, storage: Storage, job_id: UUID, epoch: int, *, limit: int) -> "Audit":
    """Which rows moved the model in an epoch. Raises EpochNotFound, EpochTooLong, ReplayDiffers, GradientDiffers."""
    from slope.graph.audit import EpochAudit

    replay.round_as_the_worker()
    with database.reading() as session:
        job = jobs.get_job(session, job_id)
        origin = Origin.of(job)
        batches = origin.batches(epoch)
        _refuse_too_long(origin, len(batches))
        steps = pages.read_steps(session, storage, job, epoch, after=-1, limit=len(batches)).records
        left = _left_before(session, storage, origin, job, epoch, 0)
    taken = EpochAudit(replay.prepared_data(storage, origin.source), origin.spec, left)
    for each in steps:
        if is_called_off():
            raise ClientGone
        record = _as_record(each.step)
        if not taken.add(record, batches[record.step], to_the_bit=origin.is_exact):
            raise _differs(origin, epoch, record.step)
    result = taken.result(limit)
    if result.difference > result.tolerance:
        raise GradientDiffers(
            f"The contributions of the rows differ from the recorded gradient by {result.difference:g}, "
            "which rounding does not explain"
        )
    return result


@dataclass(frozen=True)
class UnrecordedStep:
    """A step of which the parameters before it are known, and no gradient."""

    parameters: "Parameters"
    gradient: None = None


Found = tuple["StepRecord | UnrecordedStep", Origin, "Parameters | None"]
"""A step, what it is done again from, and the gradient that it found in `.grad`."""


def _recorded(database: Database, job_id: UUID, epoch: int, step: int) -> Found | None:
    """A step that is in SQL and needs no other: by one query."""
    found = database.query(recorded_step, job_id, epoch, step)
    if found is None:
        return None
    kept = Kept(found.object_id, found.numbers)
    source = Source.kept_as(kept, found.rows, found.features, found.target, found.spec, found.row_weights)
    origin = Origin(source, source.training_spec, found.engine, found.device)
    return (_as_record(found), origin, None) if origin.spec.zero_gradients == "step" else None


def _broken_at_start(database: Database, storage: Storage, job_id: UUID) -> Found | None:
    """The first step of a job whose numbers stopped being finite in it."""
    from slope.records import Diverged

    with database.reading() as session:
        job = jobs.get_job(session, job_id)
        if job.error_code != "diverged" or not (job.error_detail or "").startswith(str(Diverged(0, 0, []))):
            return None  # or a later step broke it, and no step before was kept
        return UnrecordedStep(replay.parameters_after(session, storage, job, -1)), Origin.of(job), None


def _replayed(database: Database, storage: Storage, job_id: UUID, epoch: int, step: int) -> Found:
    """Any step of an epoch that was at least begun. Raises EpochNotFound, StepNotFound, ReplayDiffers."""
    with database.reading() as session:
        job = jobs.get_job(session, job_id)
        origin = Origin.of(job)
        _refuse_too_large(origin, origin.batches(epoch).size)
        found = _step(session, storage, job, epoch, step)
        return _as_record(found), origin, _left_before(session, storage, origin, job, epoch, step)


def _step(session: Session, storage: Storage, job: Job, epoch: int, step: int) -> Step:
    found = pages.read_steps(session, storage, job, epoch, after=step - 1, limit=1).records
    if not found or found[0].step.step != step:
        raise StepNotFound(f"Epoch {epoch} of job {job.id} has no step {step}")
    return found[0].step


def _refuse_too_large(origin: Origin, rows: int) -> None:
    """Data that was never in memory as a whole would have to be, for the graph of a full batch."""
    numbers = rows * (len(origin.source.features) + 1)
    if numbers > MAX_AUDITED_NUMBERS:
        detail = f"The step has {numbers:,} numbers; at most {MAX_AUDITED_NUMBERS:,} are taken apart in one call"
        raise StepTooLarge(detail, [Fault(detail, "/path/step")])


def _refuse_too_long(origin: Origin, steps: int) -> None:
    numbers = origin.source.rows * (len(origin.source.features) + 1)
    for count, most, what in ((steps, MAX_AUDITED_STEPS, "steps"), (numbers, MAX_AUDITED_NUMBERS, "contributions")):
        if count > most:
            detail = f"The epoch has {count:,} {what}; at most {most:,} are taken apart in one call"
            raise EpochTooLong(detail, [Fault(detail, "/path/epoch")])


def _left_before(
    session: Session, storage: Storage, origin: Origin, job: Job, epoch: int, step: int
) -> "Parameters | None":
    """The gradient that a step found in `.grad`: what the update before it left there, if nobody set it to zero."""
    from slope.graph.step import after_update

    zero = origin.spec.zero_gradients
    if zero == "step" or (step == 0 and (epoch == 0 or zero == "epoch")):
        return None
    before = (epoch, step - 1) if step else (epoch - 1, len(origin.batches(epoch - 1)) - 1)
    record = _as_record(_step(session, storage, job, *before))
    return after_update(origin.spec, record.parameters, record.gradient)


def _differs(origin: Origin, epoch: int, step: int) -> GradientDiffers:
    return GradientDiffers(
        f"Done again here, step {step} of epoch {epoch} leaves another gradient than was recorded on "
        f"{origin.device}: the record was changed, or another device or version of PyTorch rounds differently"
    )


def _row_of(rows: list[int], row: int | None) -> int:
    if row is None:
        return rows[0]
    if row not in rows:
        few = ", ".join(map(str, rows[:10])) + f" and {len(rows) - 10} more" * (len(rows) > 10)
        held = "row" if len(rows) == 1 else "rows"
        detail = f"Row {row} is not in the batch of this step: that has {held} {few}"
        raise InvalidRequest(detail, [Fault(detail, "/query/row")])
    return row


def _refuse_other_features(features: Sequence[int], count: int) -> None:
    for index, feature in enumerate(features):
        if feature >= count or feature in features[:index]:
            detail = f"The data has features 0 to {count - 1}, and each is expanded once"
            raise InvalidRequest(detail, [Fault(detail, f"/query/expand/{index}")])


def _as_record(row: Step | RecordedStep) -> "StepRecord":
    from slope.model import Parameters
    from slope.records import StepRecord

    gradient = Parameters(row.gradient_weights, row.gradient_bias)
    return StepRecord(row.epoch, row.step, row.loss, gradient, Parameters(row.weights, row.bias))
