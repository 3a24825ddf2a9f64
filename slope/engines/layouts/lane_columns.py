"""What models that descend together stand at, and what is written of each: W models, in groups of LANES."""

from typing import NamedTuple, Self

import numpy as np

from slope.arrays import Array
from slope.engines.layouts.columns import in_one_piece
from slope.engines.layouts.lane_rules import LANES
from slope.engines.layouts.rules import BUFFERS, Objective


class HeldBack(NamedTuple):
    """What the models are validated on; no rows where nothing is held back."""

    x: Array
    targets: Array
    objective: Objective


class MemberEpochs(NamedTuple):
    """E epochs of W models with K parameters, of which L learn."""

    loss: Array
    """W × E, as all that have one number an epoch."""
    last_loss: Array
    """W × 0 where an epoch is one step, as `gradient_last`: the means are its own then."""
    validation_loss: Array
    gradient_mean: Array
    """W × E × L."""
    gradient_last: Array
    gradient_norm: Array
    theta: Array
    """W × E × K, after the epoch."""

    @classmethod
    def room(cls, models: int, epochs: int, parameters: int, learnt: int, *, has_steps: bool, holds_back: bool) -> Self:
        each, last = (models, epochs), (models, epochs if has_steps else 0)
        held = (models, epochs if holds_back else 0)
        return cls(*in_one_piece(each, last, held, (*each, learnt), (*last, learnt), each, (*each, parameters)))


class MemberSteps(NamedTuple):
    """S steps of W models: each loss (W × S), gradient (W × S × L), and the parameters before it (W × S × K)."""

    loss: Array
    gradient: Array
    theta: Array

    @classmethod
    def room(cls, models: int, steps: int, parameters: int, learnt: int) -> Self:
        each = (models, steps)
        return cls(*in_one_piece(each, (*each, learnt), (*each, parameters)))


class LaneState(NamedTuple):
    """All that the rest of the models' runs depends on besides the steps they have taken, a model a lane."""

    theta: Array
    """G × K × LANES."""
    gradient: Array
    """What the leaves' `.grad` hold."""
    buffers: Array
    """G × 3 K × LANES: what the update left for the next."""

    @classmethod
    def at(cls, thetas: Array, initial: Array) -> Self:
        """At W × K parameters, with buffers that are filled with a number of each model."""
        theta = _in_lanes(thetas)
        buffers = np.repeat(initial[:, None], BUFFERS * thetas.shape[1], axis=1)
        return cls(theta, np.zeros_like(theta), _in_lanes(buffers))

    def copy(self) -> Self:
        return type(self)(*(part.copy() for part in self))


def _in_lanes(rows: Array) -> Array:
    """W × K as G × K × LANES."""
    groups = len(rows) // LANES
    return np.ascontiguousarray(rows.reshape(groups, LANES, -1).swapaxes(1, 2))


def of_models(lanes: Array) -> Array:
    """The other way round, as a copy."""
    return np.array(lanes.swapaxes(1, 2)).reshape(-1, lanes.shape[1])
