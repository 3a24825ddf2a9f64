"""How sure predictions are: intervals about those of the job's exact solution."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from service.errors import InvalidRequest
from service.statistics.solutions import solve_job
from service.statistics.training_rows import TrainingRows, finished_job
from service.storage import Storage
from service.store.database import Database
from slope.spec import Fault
from slope.spec.part import Part
from slope.statistics.intervals import IntervalKind, Intervals
from slope.statistics.notes import reason_for_no_p_values


class Interval(Part):
    """Which interval to tell with each prediction."""

    kind: IntervalKind
    """`confidence`: where the line is at x; `prediction`: where a new y at x is, whose own noise comes on top."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """With which probability the interval holds it."""


def intervals_of(database: Database, storage: Storage, job_id: UUID, asked: Interval) -> Intervals:
    """Raises JobNotFound, JobNotFinished, TooFewRows, and InvalidRequest where a job's loss has no such intervals."""
    with database.reading() as session:
        rows = TrainingRows.of(session, finished_job(session, job_id))
    if reason := reason_for_no_p_values(rows.spec):
        detail = f"There are no intervals: {reason}"
        raise InvalidRequest(detail, [Fault(detail, "/interval")])
    return Intervals(solve_job(storage, rows), asked.kind, asked.level)
