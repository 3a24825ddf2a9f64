"""Optimizers, each with the parameter names and defaults of its class in torch.optim."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from slope.spec.faults import invalid
from slope.spec.part import Fraction, NonNegative, Part, or_bare_name

Betas = Annotated[list[Fraction], Field(min_length=2, max_length=2)]


class SGD(Part):
    """Gradient descent: w ← w − learning_rate · gradient, with optional momentum."""

    name: Literal["sgd"] = "sgd"
    """Which optimizer."""
    momentum: NonNegative = 0.0
    """Part of the last update that goes into the next."""
    dampening: float = 0.0
    """Part of the gradient that the momentum leaves out."""
    weight_decay: NonNegative = 0.0
    """Penalty on all parameters, added to the gradient."""
    nesterov: bool = False
    """Whether the momentum looks ahead."""
    l1_step: Literal["subgradient", "proximal"] = "subgradient"
    """How a step takes in the penalty `l1`: by its subgradient, as part of the gradient; or after the step by its
    proximal map, which takes learning_rate · l1 off the size of each weight, and leaves an exact zero of what is
    smaller. The gradient has no part of `l1` then."""

    @model_validator(mode="after")
    def _proximal_steps_have_no_momentum(self) -> Self:
        if self.l1_step == "proximal" and self.momentum:
            detail = "A proximal step is not defined with momentum, which would carry on what the step took off"
            raise invalid(("momentum",), f'{detail}: leave momentum out, or choose the l1_step "subgradient"')
        return self

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise invalid(("nesterov",), "Nesterov momentum needs a momentum above 0 and no dampening")
        return self


class Adam(Part):
    name: Literal["adam"]
    """Which optimizer."""
    betas: Betas = Field(default=[0.9, 0.999])
    """Decay of the averages of the gradient and of its square."""
    eps: NonNegative = 1e-8
    """Added to the denominator."""
    weight_decay: NonNegative = 0.0
    """Penalty on all parameters."""
    amsgrad: bool = False
    """Whether the greatest average of squares is kept."""


class AdamW(Part):
    name: Literal["adamw"]
    """Which optimizer."""
    betas: Betas = Field(default=[0.9, 0.999])
    """Decay of the averages of the gradient and of its square."""
    eps: NonNegative = 1e-8
    """Added to the denominator."""
    weight_decay: NonNegative = 0.01
    """Penalty on all parameters."""
    amsgrad: bool = False
    """Whether the greatest average of squares is kept."""


class RMSprop(Part):
    name: Literal["rmsprop"]
    """Which optimizer."""
    alpha: NonNegative = 0.99
    """Decay of the average of the gradient's square."""
    eps: NonNegative = 1e-8
    """Added to the denominator."""
    weight_decay: NonNegative = 0.0
    """Penalty on all parameters, added to the gradient."""
    momentum: NonNegative = 0.0
    """Part of the last update that goes into the next."""
    centered: bool = False
    """Whether the square is of the gradient less its average."""


class Adagrad(Part):
    name: Literal["adagrad"]
    """Which optimizer."""
    lr_decay: NonNegative = 0.0
    """How the rate falls from step to step."""
    weight_decay: NonNegative = 0.0
    """Penalty on all parameters, added to the gradient."""
    initial_accumulator_value: NonNegative = 0.0
    """Of the sum of the gradient's squares."""
    eps: NonNegative = 1e-10
    """Added to the denominator."""


class LBFGS(Part):
    """Limited-memory BFGS; each step evaluates the loss up to `max_eval` times."""

    name: Literal["lbfgs"]
    """Which optimizer."""
    max_iter: Annotated[int, Field(ge=1, le=1000)] = 20
    """Most iterations of a step."""
    max_eval: Annotated[int, Field(ge=1, le=1250)] | None = None
    """Most evaluations of the loss in a step; by default 1.25 × `max_iter`."""
    tolerance_grad: NonNegative = 1e-7
    """A step ends below this gradient."""
    tolerance_change: NonNegative = 1e-9
    """A step ends below this change."""
    history_size: Annotated[int, Field(ge=1, le=1000)] = 100
    """How many updates it remembers."""
    line_search_fn: Literal["strong_wolfe"] | None = None
    """How far to go along a direction. Also by the name `line_search`."""

    @model_validator(mode="before")
    @classmethod
    def _knows_line_search(cls, value: Any) -> Any:
        """The name that people know it by; what is kept and answered is torch's."""
        if isinstance(value, dict) and "line_search" in value and "line_search_fn" not in value:
            return {"line_search_fn" if name == "line_search" else name: each for name, each in value.items()}
        return value


_Kinds = SGD | Adam | AdamW | RMSprop | Adagrad | LBFGS
Optimizer = Annotated[_Kinds, Field(discriminator="name"), or_bare_name(_Kinds)]
