"""What each engine costs: seconds as measured on one core of two busy ones, and the memory it is bounded by.

From what jobs took the planner learns how fast machines are: estimates are multiplied by the factor by which jobs of an
engine took longer than reckoned. K are the parameters that learn; x is N × D of float64 in every engine, and counted
with it. Free of torch.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from slope.answers.plan import Plan
from slope.data import batch_rows, steps_per_epoch
from slope.spec import LBFGS, SGD, Adam, AdamW, Constant, Step, TrainingSpec
from slope.splits import training_rows

LITTLE_NUMBERS = 100_000
"""This many are read in about a millisecond."""
MOST_NUMBERS_AT_ONCE = 10_000_000
"""Data of more numbers is read in parts by an engine that needs it only once."""
PARTITION_NUMBERS = 2**23
"""A partition of such data has at least this many: about a tenth of a second, against which its lease costs little."""
_MOST_PARTITIONS = 256
_JOINED_NUMBERS = 2**22
"""Most numbers in the triangles of all partitions, which lie in SQL: 32 MB, and as much for rows held back."""
_FEWEST, _LATEST = 3, 30
"""Jobs of an engine that say something; and how many of the last ones are listened to."""
_BRIEF_SECONDS = 1e-3
"""What takes less says nothing: the clock, and what a process does for the first time, take as long."""
_LARGEST = 100.0


@dataclass(frozen=True)
class Work:
    """What there is to do: N rows, D features, K parameters, and the steps of an epoch."""

    spec: TrainingSpec
    rows: int
    features: int
    keeps_steps: bool
    has_triangle: bool = False
    """Whether the data is reduced already."""
    is_weighted: bool = False
    """Whether its rows do not count alike."""

    @classmethod
    def of(
        cls, spec: TrainingSpec, rows: int, features: int, *, keeps_steps: bool, has_triangle: bool = False
    ) -> "Work":
        """Of a dataset of `rows` rows, some of which may be held back."""
        return cls(spec, training_rows(rows, spec), features, keeps_steps, has_triangle)

    @property
    def parameters(self) -> int:
        return self.features + int(self.spec.fit_bias)

    @property
    def batch(self) -> int:
        return batch_rows(self.rows, self.spec)

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return steps_per_epoch(self.rows, self.spec)

    @property
    def reads_in_parts(self) -> bool:
        """Whether a reduction has never more than a part of the data in memory."""
        return not self.has_triangle and self.rows * (self.features + 1) > MOST_NUMBERS_AT_ONCE

    @property
    def partitions(self) -> int:
        """In how many partitions data that is read in parts is reduced, by as many workers as are free."""
        if not self.reads_in_parts:
            return 1
        by_size = self.rows * (self.features + 1) // PARTITION_NUMBERS
        return max(1, min(by_size, _MOST_PARTITIONS, _JOINED_NUMBERS // (self.features + 2) ** 2))

    @property
    def is_little(self) -> bool:
        """Whether reading the data costs next to nothing."""
        return self.rows * (self.features + 1) <= LITTLE_NUMBERS

    @property
    def data_bytes(self) -> int:
        return 8 * self.rows * (self.features + 1)

    @property
    def step_bytes(self) -> int:
        """Of the records of an epoch's steps."""
        return 8 * self.steps * (3 + 2 * self.parameters) if self.keeps_steps else 0


@dataclass(frozen=True)
class Cost:
    """Seconds before the first epoch and of each; bytes while it runs."""

    start: float
    epoch: float
    memory: int

    def seconds(self, epochs: int) -> float:
        return self.start + epochs * self.epoch


def _eager(work: Work) -> Cost:
    is_single = work.spec.dtype == "float32"
    per_number, size = (0.8e-9, 4) if is_single else (1.2e-9, 8)
    copies = work.rows * (work.features + 1) + work.batch * (work.features + 4)
    step = _torch_update(work) + per_number * work.batch * work.features
    return Cost(0.0, work.steps * step, work.data_bytes + size * copies + 12 * work.step_bytes)


def _reduced(work: Work) -> Cost:
    columns = work.features + 2
    passed = 0 if work.has_triangle else work.rows
    start = 1e-3 + passed * (0.09e-9 * columns**2 + 0.8e-9 * columns)
    order = 30 * work.rows if work.spec.validates else 0  # by which some rows are held back
    data = 64_000_000 + order if work.reads_in_parts else 8 * passed * (work.features + 1)
    moved = _torch_update(work) if _uses_torch(work) else _update(work)
    epoch = _recorded_epoch(work) + columns * _row(work) + moved
    return Cost(_LOADING + start, epoch, data + 8 * columns * (3 * 2**15 + 16 * columns) + _BLOCK_BYTES)


def _composed(work: Work) -> Cost:
    columns = work.parameters + 1
    maps = _rates(work.spec) * (300e-6 + work.rows * (0.3e-9 * columns**2 + 8e-9 * columns))
    memory = 8 * columns * (8 * 2**15 + work.batch + 8 * columns) + _BLOCK_BYTES
    epoch = _recorded_epoch(work) + 60e-9 + 2e-9 * columns**2 + _row(work) * min(work.batch, work.rows)
    return Cost(_LOADING + maps, epoch, work.data_bytes + memory)


def _compiled(work: Work) -> Cost:
    row = _row(work) + (20e-9 if work.spec.shuffle else 0.0)
    recorded = 4e-9 + 1.5e-9 * work.parameters if work.keeps_steps else 0.0
    epoch = _recorded_epoch(work) + work.rows * row + work.steps * (_update(work) + recorded)
    memory = work.data_bytes + 16 * work.rows + _BLOCK_BYTES + 4 * work.step_bytes
    return Cost(_LOADING + _checks(work), epoch, memory)


def _checks(work: Work) -> float:
    """Seconds of autograd on very large batches, at the first epoch, the second, the fourth, and so on."""
    numbers = work.batch * work.parameters
    return 3.4e-9 * numbers * work.spec.epochs.bit_length() if numbers > 2**12 else 0.0


def _recorded_epoch(work: Work) -> float:
    """Seconds of an epoch in compiled code besides its steps: its record, and its share of a block and its check."""
    return 60e-9 + 6e-9 * work.parameters


def _row(work: Work) -> float:
    """Seconds for the loss and the gradient of one, in compiled code."""
    branches = 0.0 if work.spec.loss == "squared_error" else 15e-9  # which the processor cannot foresee
    return 5e-9 + 0.3e-9 * work.parameters + branches


def _update(work: Work) -> float:
    """Seconds for one, in compiled code."""
    penalties = 5e-9 + 0.5e-9 * work.parameters if work.spec.l1 or work.spec.l2 else 0.0
    match work.spec.optimizer:
        case SGD(momentum=0.0):
            return 8e-9 + 0.25e-9 * work.parameters + penalties
        case SGD():
            return 12e-9 + 0.7e-9 * work.parameters + penalties
        case Adam() | AdamW():
            return 100e-9 + 3e-9 * work.parameters + penalties  # two powers, and a root for each parameter
        case _:
            return 10e-9 + 4e-9 * work.parameters + penalties


def _torch_update(work: Work) -> float:
    """Seconds for a step in PyTorch besides the arithmetic on its rows."""
    match work.spec.optimizer:
        case SGD():
            return 45e-6
        case LBFGS() as lbfgs:  # as long as it has not converged, and remembers half of what it may
            return lbfgs.max_iter * (130e-6 + 4e-6 * lbfgs.history_size)
        case _:
            return 130e-6


def _uses_torch(work: Work) -> bool:
    return isinstance(work.spec.optimizer, LBFGS)


COSTS: dict[str, Callable[[Work], Cost]] = {
    "eager": _eager,
    "reduced": _reduced,
    "composed": _composed,
    "compiled": _compiled,
}


def replay_seconds(engine: str, spec: TrainingSpec, rows: int, features: int, epochs: float) -> float:
    """Of computing this many epochs, or parts of one, again from a snapshot."""
    cost = COSTS[engine](Work.of(spec, rows, features, keeps_steps=False))
    return cost.start + cost.epoch * epochs


_LOADING = 1e-3
"""Before the first epoch: of a block that is tried, and of code that is loaded with the process."""
_BLOCK_BYTES = 64_000_000
"""Of the records of a block, and what is made of them."""


def _rates(spec: TrainingSpec) -> int:
    """How many learning rates a run has, one after another."""
    match spec.schedule:
        case Constant():
            return 1
        case Step(step_size=size):
            return -(-spec.epochs // size)
        case _:
            return spec.epochs


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
