"""Which settings of a sweep train as one batch of models, and why some do not. Free of torch."""

from collections import defaultdict
from collections.abc import Hashable, Sequence

from slope.data import batch_rows, training_rows
from slope.spec import LBFGS, TrainingSpec

WIDEST = 1024
"""Most models in a group: what one worker takes at once and writes in one transaction."""

LARGEST_STEP = 2**22
"""Most residuals (rows of a batch × models) of a step. Four numbers for each of them are held: 128 MiB of doubles."""


def obstacle(spec: TrainingSpec) -> str | None:
    """What keeps a setting from being fused with any other; None when nothing does."""
    if isinstance(spec.optimizer, LBFGS):
        return "lbfgs decides by its own losses how often it evaluates a step"
    if spec.engine not in ("auto", "fused"):
        return f'the engine "{spec.engine}" was asked for'
    return None


def groups_of(specs: Sequence[TrainingSpec], rows: int) -> list[list[int]]:
    """The settings that train together, as indices; each group has at least two. `rows` are those of the dataset."""
    alike: dict[Hashable, list[int]] = defaultdict(list)
    for index, spec in enumerate(specs):
        if obstacle(spec) is None:
            alike[likeness(spec, rows)].append(index)
    groups = []
    for indices in alike.values():
        width = widest(specs[indices[0]], rows)
        groups += [indices[start : start + width] for start in range(0, len(indices), width)]
    return [group for group in groups if len(group) > 1]


def widest(spec: TrainingSpec, rows: int) -> int:
    """How many models of this kind may train together."""
    return max(1, min(WIDEST, LARGEST_STEP // batch_rows(training_rows(rows, spec), spec)))


def likeness(spec: TrainingSpec, rows: int) -> Hashable:
    """Equal for settings that share data, shape, the order of their batches and the form of their update."""
    batch = batch_rows(training_rows(rows, spec), spec)
    optimizer, is_split = spec.optimizer, spec.validation_fraction > 0
    flags = ("nesterov", "amsgrad", "centered")
    return (
        (spec.epochs, batch, spec.shuffle, spec.validation_fraction, spec.standardize),
        spec.seed if spec.shuffle or is_split else None,
        (spec.dtype, spec.loss, spec.fit_bias, *sorted(spec.frozen), spec.zero_gradients),
        (optimizer.name, *(getattr(optimizer, flag, None) for flag in flags), spec.schedule.name),
        (spec.early_stopping is None, spec.clip_norm is None, spec.record.steps, spec.record.every),
    )
