"""Graphs of steps and of expressions, and whose an epoch's gradient was.

Torch is imported by the first call: the process does without it until somebody asks for something like this.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy.orm import Session

from service import jobs, records, replay
from service.errors import EpochTooLong, GradientDiffers, InvalidRequest, StepNotFound
from service.records import StepWithRows
from service.storage import Storage
from service.store.tables import Job, Step
from slope.data import TrainingData
from slope.expression import ExpressionFault
from slope.spec import Fault, TrainingSpec
from slope.spec.graph import GraphRequest

if TYPE_CHECKING:
    from slope.graph import Graph
    from slope.graph.audit import Audit
    from slope.model import Parameters
    from slope.records import StepRecord

MAX_AUDITED_STEPS = 10_000
"""About three seconds."""


@dataclass(frozen=True)
class StepGraph:
    """The graph of a step whose gradient has been held against the record."""

    graph: "Graph"
    step: Step
    rows: list[int]
    row: int
    """The one that is shown, by its index in the dataset."""


def of_expression(request: GraphRequest) -> "Graph":
    """The graph of a formula. Raises InvalidRequest for an exponent that turns out too large."""
    from slope.graph.formula import graph_of

    try:
        return graph_of(request.expression, request.values, request.requires_grad, request.upstream)
    except ExpressionFault as fault:
        raise InvalidRequest(str(fault), [Fault(str(fault), "/expression")]) from fault


def of_step(
    session: Session,
    storage: Storage,
    job_id: UUID,
    epoch: int,
    step: int,
    *,
    row: int | None,
    features: Sequence[int],
) -> StepGraph:
    """The graph of a step, stored or replayed, with one row of its batch and some features shown one by one.

    Raises EpochNotFound, StepNotFound, ReplayDiffers, InvalidRequest for a row that is not in the batch, and
    GradientDiffers where autograd does not come to the gradient that was recorded.
    """
    from slope.graph.step import StepTrace, batch_of

    run = _Run(session, storage, jobs.get(session, job_id))
    found = run.step(epoch, step)
    shown = _row_of(found, row)
    _refuse_other_features(features, len(run.job.features))
    record = _as_record(found.step)
    batch = batch_of(run.data(), run.spec, found.rows)
    traced = StepTrace(run.spec, record.parameters, batch, run.left_before(epoch, step))
    _hold(run.job, record, traced.gradient)
    graph = traced.graph(shown, features or None)
    titled = replace(graph, title=f"{_place_of(found, shown)}: {graph.title}")
    return StepGraph(titled, found.step, found.rows, shown)


def audit(session: Session, storage: Storage, job_id: UUID, epoch: int, *, limit: int) -> "Audit":
    """Which rows moved the model in an epoch. Raises EpochNotFound, EpochTooLong, ReplayDiffers, GradientDiffers."""
    from slope.graph.audit import EpochAudit

    run = _Run(session, storage, jobs.get(session, job_id))
    steps = run.steps(epoch)
    taken = EpochAudit(run.data(), run.spec, run.left_before(epoch, 0))
    for found in steps:
        record = _as_record(found.step)
        _hold(run.job, record, taken.add(record, found.rows))
    result = taken.result(limit)
    if result.difference > result.tolerance:
        raise GradientDiffers(
            f"The contributions of the rows differ from the recorded gradient by {result.difference:g}, "
            "which rounding does not explain"
        )
    return result


class _Run:
    """A job's run, read where its records and its numbers are."""

    def __init__(self, session: Session, storage: Storage, job: Job) -> None:
        self.job = job
        self.spec = TrainingSpec.model_validate(job.spec)
        self._session = session
        self._storage = storage

    def data(self) -> TrainingData:
        return replay.prepared(self._storage, self.job)

    def step(self, epoch: int, step: int) -> StepWithRows:
        """Raises EpochNotFound, StepNotFound."""
        found = self._steps(epoch, after=step - 1, limit=1)
        if not found or found[0].step.step != step:
            raise StepNotFound(f"Epoch {epoch} of job {self.job.id} has no step {step}")
        return found[0]

    def steps(self, epoch: int) -> list[StepWithRows]:
        """All of an epoch. Raises EpochNotFound, EpochTooLong."""
        count = len(records.rows_of_epoch(self.job, epoch))
        if count > MAX_AUDITED_STEPS:
            detail = f"The epoch has {count:,} steps; at most {MAX_AUDITED_STEPS:,} are taken apart in one call"
            raise EpochTooLong(detail, [Fault(detail, "/path/epoch")])
        return self._steps(epoch, after=-1, limit=count)

    def left_before(self, epoch: int, step: int) -> "Parameters | None":
        """The gradient that a step found in `.grad`: what the update before it left, if nobody set it to zero."""
        from slope.graph.step import after_update

        zero = self.spec.zero_gradients
        if zero == "step" or (step == 0 and (epoch == 0 or zero == "epoch")):
            return None
        before = (epoch, step - 1) if step else (epoch - 1, len(records.rows_of_epoch(self.job, epoch - 1)) - 1)
        record = _as_record(self.step(*before).step)
        return after_update(self.spec, record.parameters, record.gradient)

    def _steps(self, epoch: int, *, after: int, limit: int) -> list[StepWithRows]:
        found, _ = records.steps(self._session, self._storage, self.job.id, epoch, after=after, limit=limit)
        return found


def _hold(job: Job, record: "StepRecord", gradient: "Parameters") -> None:
    """Let nothing out that the record does not bear out."""
    if gradient != record.gradient:
        raise GradientDiffers(
            f"Done again here, step {record.step} of epoch {record.epoch} leaves another gradient than was recorded on "
            f"{job.assigned_device}: the record was changed, or another device or version of PyTorch rounds differently"
        )


def _row_of(found: StepWithRows, row: int | None) -> int:
    if row is None:
        return found.rows[0]
    if row not in found.rows:
        detail = f"Row {row} is not in the batch of this step, which has {_listed(found.rows)}"
        raise InvalidRequest(detail, [Fault(detail, "/query/row")])
    return row


def _refuse_other_features(features: Sequence[int], count: int) -> None:
    for place, feature in enumerate(features):
        if feature >= count or feature in features[:place]:
            detail = f"The data has features 0 to {count - 1}, and each is expanded once"
            raise InvalidRequest(detail, [Fault(detail, f"/query/expand/{place}")])


def _place_of(found: StepWithRows, row: int) -> str:
    of_batch = "" if len(found.rows) == 1 else f" of {len(found.rows)}"
    return f"Epoch {found.step.epoch}, step {found.step.step}, row {row}{of_batch}"


def _listed(rows: list[int]) -> str:
    few = ", ".join(map(str, rows[:10]))
    return f"{few} and {len(rows) - 10} more" if len(rows) > 10 else few


def _as_record(row: Step) -> "StepRecord":
    from slope.model import Parameters
    from slope.records import StepRecord

    gradient = Parameters(row.gradient_weights, row.gradient_bias)
    return StepRecord(row.epoch, row.step, row.loss, gradient, Parameters(row.weights, row.bias))
