"""What a job would do before it does it: the engine, the steps, and how much is recorded. Free of torch."""

from dataclasses import dataclass

from slope.data import batch_rows, split, steps_per_epoch
from slope.spec import TrainingSpec

AUTO_RECORDED_NUMBERS = 1_000_000
"""Up to here `record.steps = auto` keeps every step."""

REPLAYED_STEPS = 20_000
"""At most so many steps, about two seconds of them, lie between two snapshots, unless one epoch has more."""

_SECONDS_PER_STEP = 80e-6
_SECONDS_PER_NUMBER = 1.5e-9
"""What the eager loop took on two cores: for each step, and for each number of x that the step reads."""


@dataclass(frozen=True)
class Plan:
    engine: str
    why: str
    steps: int
    """Updates in all."""
    steps_recorded: bool
    recorded_numbers: int
    estimated_seconds: float


def plan(spec: TrainingSpec, rows: int, features: int) -> Plan:
    """The plan for a dataset of `rows` × `features`."""
    training, _ = split(rows, spec)
    steps = steps_per_epoch(len(training), spec)
    in_steps = _epochs_kept(spec) * steps * _numbers_per_step(spec, features)
    record_steps = spec.record.steps == "all" or (spec.record.steps == "auto" and in_steps <= AUTO_RECORDED_NUMBERS)
    in_epochs = _epochs_kept(spec) * _numbers_per_epoch(spec, features)
    per_step = _SECONDS_PER_STEP + _SECONDS_PER_NUMBER * batch_rows(len(training), spec) * features
    return Plan(
        engine="eager",
        why="The reference: every step through PyTorch's autograd, bit-equal to the plain loop",
        steps=spec.epochs * steps,
        steps_recorded=record_steps,
        recorded_numbers=in_epochs + (in_steps if record_steps else 0),
        estimated_seconds=spec.epochs * steps * per_step,
    )


def keeps_epoch(spec: TrainingSpec, epoch: int) -> bool:
    """Whether the record of an epoch is kept: every n-th, the first and the last."""
    return epoch % spec.record.every == 0 or epoch == spec.epochs - 1


def snapshot_interval(spec: TrainingSpec, rows: int) -> int:
    """Epochs between two snapshots of the state, from which steps that were not recorded are replayed."""
    training, _ = split(rows, spec)
    return max(1, REPLAYED_STEPS // steps_per_epoch(len(training), spec))


def _epochs_kept(spec: TrainingSpec) -> int:
    last = spec.epochs - 1
    return last // spec.record.every + 1 + (last % spec.record.every != 0)


def _parameters(spec: TrainingSpec, features: int) -> int:
    return features + int(spec.fit_bias)


def _numbers_per_step(spec: TrainingSpec, features: int) -> int:
    """Its loss, its gradient, and the parameters before it."""
    return 1 + 2 * _parameters(spec, features)


def _numbers_per_epoch(spec: TrainingSpec, features: int) -> int:
    """Three losses, norm, rate, seconds; the mean and the last gradient and the parameters."""
    return 6 + 3 * _parameters(spec, features)
