"""What training leaves behind: one record a step, one an epoch, and the state to go on from."""

from dataclasses import dataclass
from typing import NamedTuple

from slope.model import Parameters


class StepRecord(NamedTuple):
    """One update: the loss and the gradient that autograd gave, and the parameters before it moved them."""

    epoch: int
    step: int
    loss: float
    gradient: Parameters
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One pass over the data. Gradients are those of its steps; parameters are those after it."""

    epoch: int
    loss: float
    """Mean of the step losses, each taken before its update."""
    last_loss: float
    """Loss of the last step: what the lecture prints."""
    validation_loss: float | None
    """Mean row loss of the validation rows after the epoch, without penalties."""
    gradient_mean: Parameters
    gradient_last: Parameters
    gradient_norm: float
    """Euclidean norm of the mean gradient."""
    parameters: Parameters
    learning_rate: float
    seconds: float
    steps: list[StepRecord]
    """Every step of the epoch, where steps are recorded."""


class Diverged(ArithmeticError):
    """A loss, a gradient or a weight stopped being finite. `steps` are the finite steps of the broken epoch."""

    def __init__(self, epoch: int, step: int, steps: list[StepRecord]) -> None:
        super().__init__(f"The numbers stopped being finite in epoch {epoch}, step {step}")
        self.epoch = epoch
        self.step = step
        self.steps = steps
