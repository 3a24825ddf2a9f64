"""How the learning rate changes from epoch to epoch, or step to step, by the formulas of torch.optim.lr_scheduler."""

from typing import Annotated, Literal

from pydantic import Field

from slope.spec.part import Count, NonNegative, Part, Positive, or_bare_name

Factor = Annotated[float, Field(gt=0, le=1)]
Per = Literal["epoch", "step"]
"""What a schedule counts: epochs, or the steps of all epochs."""


class Constant(Part):
    name: Literal["constant"] = "constant"


class Step(Part):
    """Multiply the rate by `gamma` every `step_size` epochs, or steps."""

    name: Literal["step"]
    step_size: Count
    gamma: Factor = 0.1
    per: Per = "epoch"


class Exponential(Part):
    """Multiply the rate by `gamma` after every epoch, or step."""

    name: Literal["exponential"]
    gamma: Factor
    per: Per = "epoch"


class Cosine(Part):
    """Fall along half a cosine from the learning rate to `eta_min` within `T_max` epochs, or steps."""

    name: Literal["cosine"]
    T_max: Count | None = None
    """Epochs, or steps, from the first rate to the last; all of the job's by default."""
    eta_min: NonNegative = 0.0
    per: Per = "epoch"


class InverseScaling(Part):
    """learning_rate / (epoch + 1) ** power, or with the steps before this one for `epoch`, as scikit-learn has it."""

    name: Literal["inverse_scaling"]
    power: Positive = 0.5
    per: Per = "epoch"


_Kinds = Constant | Step | Exponential | Cosine | InverseScaling
Schedule = Annotated[_Kinds, Field(discriminator="name"), or_bare_name(_Kinds)]
