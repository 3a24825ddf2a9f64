"""What a compiled descent is told of a job, as plain numbers: what it descends on, how it moves, and where it ends.

Free of numba, which takes named tuples of numbers as they are and keeps them in registers.
"""

import math
from typing import NamedTuple

from slope.spec import SGD, Adagrad, Adam, AdamW, RMSprop, TrainingSpec

SQUARED_ERROR, ABSOLUTE_ERROR, HUBER = range(3)
LOSSES = {"squared_error": SQUARED_ERROR, "absolute_error": ABSOLUTE_ERROR, "huber": HUBER}
DESCENT, ADAM, RMSPROP, ADAGRAD = range(4)
PLAIN = 0
EACH_STEP, EACH_EPOCH, NEVER = range(3)

BUFFERS = 3
"""Most vectors as long as the parameters that an update leaves for the next."""


class Objective(NamedTuple):
    """The loss of a batch: the mean of its rows' losses, and the penalties."""

    loss: int
    delta: float
    """Of Huber's loss."""
    l1: float
    l2: float
    penalised: int
    """How many parameters the penalties take, from the first."""
    offset: float
    """What frozen weights add to every loss."""
    divisor: float
    """Of a batch's sum; 0 for the rows that it has."""
    is_triangular: bool
    """From the second row on, row i has nothing before its number i − 1."""
    adds_bias: bool
    """The last parameter is a bias, and the rows have no 1 for it."""


class Update(NamedTuple):
    """torch.optim's update of this kind, with its numbers; see slope.engines.kernels."""

    kind: int
    momentum: float = 0.0
    """For adam the first beta."""
    share: float = 1.0
    """Of the gradient in the velocity; for adam the second beta, for rmsprop alpha, for adagrad lr_decay."""
    eps: float = 0.0
    decay: float = 0.0
    is_nesterov: bool = False
    """For adam: whether the decay is decoupled; for rmsprop: whether the squares are centred."""
    is_highest: bool = False
    """For adam: amsgrad."""

    @property
    def rule(self) -> int:
        """What its loop is compiled for: `PLAIN` descent without momentum, or 1 and its kind."""
        return PLAIN if self.kind == DESCENT and self.momentum == 0 else 1 + self.kind

    @classmethod
    def of(cls, spec: TrainingSpec) -> "Update":
        match spec.optimizer:
            case SGD() as sgd:
                return cls(DESCENT, sgd.momentum, 1 - sgd.dampening, 0.0, sgd.weight_decay, sgd.nesterov)
            case Adam() | AdamW() as adam:
                is_decoupled = isinstance(adam, AdamW)
                first, second = adam.betas
                return cls(ADAM, first, second, adam.eps, adam.weight_decay, is_decoupled, adam.amsgrad)
            case RMSprop() as rmsprop:
                return cls(
                    RMSPROP, rmsprop.momentum, rmsprop.alpha, rmsprop.eps, rmsprop.weight_decay, rmsprop.centered
                )
            case Adagrad() as adagrad:
                return cls(ADAGRAD, 0.0, adagrad.lr_decay, adagrad.eps, adagrad.weight_decay)
        raise AssertionError(f"{spec.optimizer.name} has no compiled update")  # the plan sees to it


class Limits(NamedTuple):
    """Where gradients are cut, when they are zeroed, and from where on a loss counts as infinite."""

    clip: float
    zeroed: int
    largest_sum: float
    """Of the losses of a batch's rows."""

    @classmethod
    def of(cls, spec: TrainingSpec, largest_sum: float) -> "Limits":
        zeroed = {"step": EACH_STEP, "epoch": EACH_EPOCH, "never": NEVER}[spec.zero_gradients]
        return cls(math.inf if spec.clip_norm is None else spec.clip_norm, zeroed, largest_sum)
