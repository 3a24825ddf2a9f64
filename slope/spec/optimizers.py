"""Optimizers, each with the parameter names and defaults of its class in torch.optim."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from slope.spec.faults import invalid
from slope.spec.part import Fraction, NonNegative, Part, or_bare_name

Betas = Annotated[list[Fraction], Field(min_length=2, max_length=2)]


class SGD(Part):
    """Gradient descent: w ← w − learning_rate · gradient, with optional momentum."""

    name: Literal["sgd"] = "sgd"
    momentum: NonNegative = 0.0
    dampening: float = 0.0
    weight_decay: NonNegative = 0.0
    nesterov: bool = False

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise invalid(("nesterov",), "Nesterov momentum needs a momentum above 0 and no dampening")
        return self


class Adam(Part):
    name: Literal["adam"]
    betas: Betas = Field(default=[0.9, 0.999])
    eps: NonNegative = 1e-8
    weight_decay: NonNegative = 0.0
    amsgrad: bool = False


class AdamW(Part):
    name: Literal["adamw"]
    betas: Betas = Field(default=[0.9, 0.999])
    eps: NonNegative = 1e-8
    weight_decay: NonNegative = 0.01
    amsgrad: bool = False


class RMSprop(Part):
    name: Literal["rmsprop"]
    alpha: NonNegative = 0.99
    eps: NonNegative = 1e-8
    weight_decay: NonNegative = 0.0
    momentum: NonNegative = 0.0
    centered: bool = False


class Adagrad(Part):
    name: Literal["adagrad"]
    lr_decay: NonNegative = 0.0
    weight_decay: NonNegative = 0.0
    initial_accumulator_value: NonNegative = 0.0
    eps: NonNegative = 1e-10


class LBFGS(Part):
    """Limited-memory BFGS; each step evaluates the loss up to `max_eval` times."""

    name: Literal["lbfgs"]
    max_iter: Annotated[int, Field(ge=1, le=1000)] = 20
    max_eval: Annotated[int, Field(ge=1, le=1250)] | None = None
    tolerance_grad: NonNegative = 1e-7
    tolerance_change: NonNegative = 1e-9
    history_size: Annotated[int, Field(ge=1, le=1000)] = 100
    line_search_fn: Literal["strong_wolfe"] | None = None


_Kinds = SGD | Adam | AdamW | RMSprop | Adagrad | LBFGS
Optimizer = Annotated[_Kinds, Field(discriminator="name"), or_bare_name(_Kinds)]
