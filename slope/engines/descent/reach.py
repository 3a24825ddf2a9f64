"""How far the numbers of a job reach. Engines compute in float64, and a float32 job diverges where float32 ends."""

import sys

from slope.spec import TrainingSpec
from slope.spec.part import infinite_from


def in_double(spec: TrainingSpec) -> TrainingSpec:
    """The same job, computed in float64."""
    return spec.model_copy(update={"dtype": "float64"})


def largest_number(spec: TrainingSpec) -> float:
    """From here on a number of the job's dtype counts as infinite."""
    return min(infinite_from(spec.dtype), sys.float_info.max)


def largest_loss(spec: TrainingSpec, rows: int) -> float:
    """Of a batch of `rows` rows: their squares are added before they are divided."""
    return largest_number(spec) / rows
