"""What compiled code is told of models that descend together: what they have in common, and what is each one's own.

Free of numba, as slope.engines.descent_rules, whose names of updates these are.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from slope.data import Array
from slope.engines.descent_rules import Limits, Update
from slope.spec import TrainingSpec

LANES = 8
"""Models in a group whose steps are taken together."""

L1, L2, DELTA, CLIP, MOMENTUM, SHARE, EPS, DECAY, LIMIT = range(9)


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


def own_numbers(specs: Sequence[TrainingSpec], largest_sums: Sequence[float]) -> Array:
    """A row for each number that is a model's own, a column for each model."""
    rows = []
    for spec, largest in zip(specs, largest_sums, strict=True):
        update, limits = Update.of(spec), Limits.of(spec, largest)
        share = 1.0 if spec.optimizer.name == "sgd" and update.momentum == 0.0 else update.share
        moves = (update.momentum, share, update.eps, update.decay)
        rows.append((spec.l1, spec.l2, spec.huber_delta, limits.clip, *moves, limits.largest_sum))
    return np.array(rows).T.copy()
