"""What jobs took against what was reckoned for them: from it the planner learns how fast machines are. Free of torch.

By an engine's experience, the factor by which jobs of late took longer than reckoned, estimates are multiplied. Which
engine is taken does not depend on it: the same request gets the same bits tomorrow.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from statistics import median
from typing import NamedTuple

from slope.answers.plan import EngineOption, Plan

Experience = Mapping[str, float]
"""By engine; 1 where there is none."""

_FEWEST, _LATEST = 3, 30
"""Jobs of an engine that say something; and how many of the last ones are listened to."""
_BRIEF_SECONDS = 1e-3
"""What takes less says nothing: the clock, and what a process does for the first time, take as long."""
_LARGEST = 100.0


class Ended(NamedTuple):
    """A job that has succeeded."""

    engine: str
    reckoned: float
    """Its estimate without any experience."""
    took: float

    @classmethod
    def of(cls, planned: Plan, seconds: float) -> "Ended":
        return cls(planned.engine, planned.estimated_seconds / planned.experience, seconds)


def learn(jobs: Iterable[Ended]) -> dict[str, float]:
    """From jobs, the latest first. Medians: a job that waited for the disk or a neighbour does not count."""
    factors = defaultdict[str, list[float]](list)
    for job in jobs:
        if min(job.reckoned, job.took) >= _BRIEF_SECONDS and len(factors[job.engine]) < _LATEST:
            factors[job.engine].append(job.took / job.reckoned)
    known = {engine: median(found) for engine, found in factors.items() if len(found) >= _FEWEST}
    return {engine: min(max(factor, 1 / _LARGEST), _LARGEST) for engine, factor in known.items()}


def estimate(planned: Plan, experience: Experience) -> Plan:
    """A plan with its seconds by experience."""
    factor = experience.get(planned.engine, 1.0)
    return replace(planned, estimated_seconds=planned.estimated_seconds * factor, experience=factor)


def estimate_option(option: EngineOption, experience: Experience) -> EngineOption:
    if option.estimated_seconds is None:
        return option
    return replace(option, estimated_seconds=option.estimated_seconds * experience.get(option.engine, 1.0))
