"""torch.optim and torch.optim.lr_scheduler, built from their parts of the spec."""

from collections.abc import Callable
from inspect import unwrap

import torch
from torch import Tensor
from torch.optim import lr_scheduler

from slope.spec import (
    SGD,
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    Step,
    TrainingSpec,
)

_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "lbfgs": torch.optim.LBFGS,
}

_FUSED = {"adam", "adamw", "adagrad"}


class PlainSGD(torch.optim.SGD):
    """torch.optim.SGD without momentum or decay: the same bits, without the hooks that cost more than the update."""

    def __init__(self, parameters: list[Tensor], lr: float) -> None:
        super().__init__(parameters, lr=lr)
        # Each with the same memory unseen by autograd.
        self._values = [(parameter, parameter.detach()) for parameter in parameters]

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        rate = -self.param_groups[0]["lr"]
        for parameter, value in self._values:
            if (gradient := parameter.grad) is not None:
                value.add_(gradient, alpha=rate)

    step.hooked = True  # type: ignore[attr-defined]  # else torch wraps it in a profiler range on every call
    # As torch has them for its compiler, they load that when they are first called: a second, and 80 MB.
    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)


def build_optimizer(parameters: list[Tensor], spec: TrainingSpec, *, fused: bool = False) -> torch.optim.Optimizer:
    """`fused` takes one operation an update where torch.optim has it, and rounds in its own way."""
    options = spec.optimizer.model_dump(exclude={"name", "l1_step"})  # which the loop takes
    if fused and spec.optimizer.name in _FUSED:
        options["fused"] = True
    if isinstance(spec.optimizer, SGD) and not (spec.optimizer.momentum or spec.optimizer.weight_decay):
        return PlainSGD(parameters, lr=spec.rate)
    return _OPTIMIZERS[spec.optimizer.name](parameters, lr=spec.rate, **options)


def build_scheduler(
    optimizer: torch.optim.Optimizer, spec: TrainingSpec, steps: int
) -> lr_scheduler.LRScheduler | None:
    """The scheduler to be stepped after every epoch, or after every step; `steps` are in an epoch. None without one."""
    match spec.schedule:
        case Constant():
            return None
        case Step(step_size=step_size, gamma=gamma):
            return lr_scheduler.StepLR(optimizer, step_size, gamma)
        case Exponential(gamma=gamma):
            return lr_scheduler.ExponentialLR(optimizer, gamma)
        case Cosine(T_max=length, eta_min=lowest):
            whole = spec.epochs * (steps if spec.schedule_counts_steps else 1)
            return lr_scheduler.CosineAnnealingLR(optimizer, length or whole, lowest)
        case InverseScaling(power=power):
            return lr_scheduler.LambdaLR(optimizer, lambda count: (count + 1) ** -power)
