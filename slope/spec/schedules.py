"""How the learning rate changes from epoch to epoch, or step to step, by the formulas of torch.optim.lr_scheduler."""

from typing import Annotated, Literal

from pydantic import Field

from slope.spec.part import Count, NonNegative, Part, Positive, or_bare_name

Factor = Annotated[float, Field(gt=0, le=1)]
Per = Literal["epoch", "step"]
"""What a schedule counts: epochs, or the steps of all epochs."""


class Constant(Part):
    name: Literal["constant"] = "constant"
    """Which schedule."""


class Step(Part):
    """Multiply the rate by `gamma` every `step_size` epochs, or steps."""

    name: Literal["step"]
    """Which schedule."""
    step_size: Count
    """Epochs, or steps, between two falls."""
    gamma: Factor = 0.1
    """What the rate is multiplied by."""
    per: Per = "epoch"
    """What is counted: epochs, or the steps within them."""


class Exponential(Part):
    """Multiply the rate by `gamma` after every epoch, or step."""

    name: Literal["exponential"]
    """Which schedule."""
    gamma: Factor
    """What the rate is multiplied by."""
    per: Per = "epoch"
    """What is counted: epochs, or the steps within them."""


class Cosine(Part):
    """Fall along half a cosine from the learning rate to `eta_min` within `T_max` epochs, or steps."""

    name: Literal["cosine"]
    """Which schedule."""
    T_max: Count | None = None
    """Epochs, or steps, from the first rate to the last; all of the job's by default."""
    eta_min: NonNegative = 0.0
    """The least rate."""
    per: Per = "epoch"
    """What is counted: epochs, or the steps within them."""


class InverseScaling(Part):
    """learning_rate / (epoch + 1) ** power, or with the steps before this one for `epoch`, as scikit-learn has it."""

    name: Literal["inverse_scaling"]
    """Which schedule."""
    power: Positive = 0.5
    """How fast the rate falls."""
    per: Per = "epoch"
    """What is counted: epochs, or the steps within them."""


_Kinds = Constant | Step | Exponential | Cosine | InverseScaling
Schedule = Annotated[_Kinds, Field(discriminator="name"), or_bare_name(_Kinds)]
