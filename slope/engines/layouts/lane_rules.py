"""What compiled code is told of models that descend together: what they have in common, and what is each one's own.

Free of numba, as slope.engines.layouts.rules, whose names of updates these are.
"""

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

import numpy as np

from slope.arrays import Array
from slope.engines.layouts.rules import Update
from slope.spec import SGD, Adagrad, Adam, AdamW, RMSprop, TrainingSpec

LANES = 8
"""Models in a group whose steps are taken together."""

L1, L2, DELTA, CLIP, MOMENTUM, SHARE, EPS, DECAY = range(8)


class Rule(NamedTuple):
    """Which parameters learn, when gradients are zeroed and cut, and which learning rate a step has."""

    first: int
    """The first of the parameters that learn."""
    stop: int
    """The first behind them."""
    zeroed: int
    is_clipped: bool
    rates_per_epoch: int
    """How far the rates of an epoch are behind those of the one before."""
    rates_per_step: int
    """The same of steps."""
    largest: float
    """From here on a number counts as infinite."""
    largest_sum: float
    """The same of the losses of a batch's rows."""


def own_numbers(specs: Sequence[TrainingSpec]) -> Array:
    """A row for each number that is a model's own, a column for each model."""
    optimizers = {id(spec.optimizer): spec for spec in specs}  # settings often share one
    known = {each: _of_optimizer(spec) for each, spec in optimizers.items()}
    found = np.empty((DECAY + 1, len(specs)))
    for row, name in ((L1, "l1"), (L2, "l2"), (DELTA, "huber_delta")):
        found[row] = [getattr(spec, name) for spec in specs]
    found[CLIP] = [inf if spec.clip_norm is None else spec.clip_norm for spec in specs]
    found[MOMENTUM:] = np.array([known[id(spec.optimizer)] for spec in specs]).T
    return found


def _of_optimizer(spec: TrainingSpec) -> tuple[float, float, float, float]:
    _, momentum, share, eps, decay, *_ = Update.of(spec)
    if spec.optimizer.name == "sgd" and momentum == 0.0:
        share = 1.0  # without momentum torch ignores the dampening
    return momentum, share, eps, decay


def initial_buffers(specs: Sequence[TrainingSpec]) -> Array:
    """What fills the buffers of each model's update before its first step."""
    if not isinstance(specs[0].optimizer, Adagrad):
        return np.zeros(len(specs))
    return np.array([getattr(spec.optimizer, "initial_accumulator_value", 0.0) for spec in specs])


def kept_buffers(specs: Sequence[TrainingSpec]) -> int:
    """How many vectors the update of such models leaves for the next."""
    match specs[0].optimizer:
        case SGD():
            return int(any(isinstance(spec.optimizer, SGD) and spec.optimizer.momentum for spec in specs))
        case Adam(amsgrad=more) | AdamW(amsgrad=more) | RMSprop(centered=more):
            return 2 + int(more)
        case _:
            return 1
