"""How sure predictions are: intervals about those of the job's exact solution."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from service.errors import InvalidRequest
from service.statistics.fits import Fits
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


def intervals_of(fits: Fits, job_id: UUID, asked: Interval) -> Intervals:
    """Raises as `Fits` does, and InvalidRequest where a job's loss has no such intervals."""
    solution = fits.solution(job_id)
    if reason := reason_for_no_p_values(solution.frame.spec):
        detail = f"There are no intervals: {reason}"
        raise InvalidRequest(detail, [Fault(detail, "/interval")])
    return Intervals(solution, asked.kind, asked.level)
