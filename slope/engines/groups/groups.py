"""Which settings of a sweep train together, and why some do not. Free of torch."""

from collections import defaultdict
from collections.abc import Hashable, Sequence

from slope.data import batch_rows
from slope.engines.layouts.lane_rules import LANES
from slope.engines.plan import REPLAYED_SECONDS, least_interval
from slope.spec import LBFGS, TrainingSpec
from slope.splits import training_rows

WIDEST = 1024
"""Most models in a group: what one worker takes in one claim and writes in one transaction."""

LARGEST_STEP = 2**22
"""Most residuals (rows of a batch × models) of a step: what is more is left to other workers as well."""

BLOCK_NUMBERS = 2**22
"""Most numbers that the records of a block have, or the order of its rows, unless one epoch has more: 32 MiB."""

_WORTHWHILE = 4
"""A reduction is made of data with more than this many times the rows that it leaves."""
_SECONDS_PER_STEP, _SECONDS_PER_PRODUCT, _SECONDS_PER_NUMBER = 4e-9, 0.15e-9, 5e-9
"""What a step of a model took, each product of a number and a weight in it, and each number in a reduction."""
_SECONDS_PER_POWERS, _SECONDS_PER_ORDER, _SECONDS_PER_ORDERED_ROW = 80e-9, 100e-6, 20e-9
"""What the powers in a step of adam took, and a new order of the rows, once and for each."""


def obstacle(spec: TrainingSpec, device: str = "auto") -> str | None:
    """What keeps a setting from being fused with any other; None when nothing does."""
    if device.startswith("cuda"):
        return "settings train together on the CPU alone"
    if isinstance(spec.optimizer, LBFGS):
        return "lbfgs decides by its own losses how often it evaluates a step"
    if spec.is_proximal:
        return "proximal steps are taken by the engine eager alone"
    if spec.engine not in ("auto", "fused"):
        return f'the engine "{spec.engine}" was asked for'
    return None


def groups_of(specs: Sequence[TrainingSpec], rows: int, features: int, device: str = "auto") -> list[list[int]]:
    """The settings that can train together, as indices; each group has at least two. The dataset is rows × features."""
    alike: dict[Hashable, list[int]] = defaultdict(list)
    for index, spec in enumerate(specs):
        if obstacle(spec, device) is None:
            alike[likeness(spec, rows)].append(index)
    groups = []
    for indices in alike.values():
        width = widest(specs[indices[0]], rows, features)
        groups += [indices[start : start + width] for start in range(0, len(indices), width)]
    return [group for group in groups if len(group) > 1]


def widest(spec: TrainingSpec, rows: int, features: int) -> int:
    """How many models of this kind may train together."""
    return max(1, min(WIDEST, LARGEST_STEP // step_rows(spec, rows, features)))


def step_rows(spec: TrainingSpec, rows: int, features: int) -> int:
    """Rows that a full step goes through: those of its batch, or the few that stand for all of them."""
    training = training_rows(rows, spec)
    return features + 2 if is_reduced(spec, training, features) else batch_rows(training, spec)


def is_reduced(spec: TrainingSpec, rows: int, features: int) -> bool:
    """Whether D + 2 rows stand for all that are trained on: they have the same squared error at every w and b."""
    is_full = batch_rows(rows, spec) == rows
    return is_full and spec.loss == "squared_error" and rows > _WORTHWHILE * (features + 2)


def seconds(spec: TrainingSpec, rows: int, features: int, width: int, *, reads_rows: bool = True) -> float:
    """About how long a group trains, without writing what it records."""
    training = training_rows(rows, spec)
    if not is_reduced(spec, training, features):
        return spec.epochs * epoch_seconds(spec, training, batch_rows(training, spec), features + 1, width)
    once = training * (features + 2) * _SECONDS_PER_NUMBER * reads_rows
    return once + spec.epochs * epoch_seconds(spec, features + 2, features + 2, features + 1, width)


def epoch_seconds(spec: TrainingSpec, rows: int, batch: int, parameters: int, width: int) -> float:
    """About how long an epoch takes of models that learn from this many rows, or from what stands for them."""
    step = _SECONDS_PER_STEP * (1 + parameters) + 2 * _SECONDS_PER_PRODUCT * min(batch, rows) * parameters
    step += _SECONDS_PER_POWERS * (spec.optimizer.name in ("adam", "adamw"))
    order = _SECONDS_PER_ORDER + _SECONDS_PER_ORDERED_ROW * rows if spec.shuffle and batch < rows else 0.0
    return order + width * -(-rows // batch) * step


def snapshot_interval(spec: TrainingSpec, rows: int, features: int) -> int:
    """Epochs between two snapshots of the states, from which steps that were not recorded are replayed."""
    epochs = int(REPLAYED_SECONDS / (seconds(spec, rows, features, LANES) / spec.epochs))
    return max(1, epochs, least_interval(spec, features))


def memory(spec: TrainingSpec, rows: int, features: int, width: int) -> int:
    """Most bytes that a group takes: the data twice, what is kept of each model, and the records of two blocks."""
    data, of_each = 2 * rows * (features + 1), (features + 2) * width
    block = min(spec.epochs * 4 * of_each, max(BLOCK_NUMBERS, 4 * of_each))
    return 8 * (data + 12 * of_each + 2 * block)


def likeness(spec: TrainingSpec, rows: int) -> Hashable:
    """Equal for settings that share data, shape, the order of their batches and the form of their update."""
    batch = batch_rows(training_rows(rows, spec), spec)
    optimizer, is_split = spec.optimizer, spec.holds_back
    flags = ("nesterov", "amsgrad", "centered")
    return (
        (spec.epochs, batch, spec.shuffle, spec.split, spec.standardize),
        spec.seed if spec.shuffle or is_split else None,
        (spec.dtype, spec.loss, spec.fit_bias, *sorted(spec.frozen), spec.zero_gradients),
        (optimizer.name, *(getattr(optimizer, flag, None) for flag in flags)),
        (spec.schedule.name, spec.schedule_counts_steps),
        (spec.early_stopping is None, spec.clip_norm is None, spec.record.steps, spec.record.every),
    )
