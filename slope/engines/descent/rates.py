"""The learning rates of K models in any epoch or step, in closed form: no state, so that an epoch stands by itself.

The schedules are those of torch.optim.lr_scheduler, whose recursions give the same to rounding.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from slope.arrays import Array
from slope.spec import Cosine, Exponential, InverseScaling, Step, TrainingSpec


def learning_rates(specs: Sequence[TrainingSpec], steps: int) -> Callable[[Any], Array]:
    """The K rates as a function of what the schedules, all of one kind, count: epochs, or steps, `steps` an epoch.

    Of one model it may be asked for many counts together.
    """
    base = np.array([spec.rate for spec in specs])
    match specs[0].schedule:
        case Step():
            sizes, gammas = _vector(specs, "step_size"), _vector(specs, "gamma")
            return lambda count: base * gammas ** (count // sizes)
        case Exponential():
            gammas = _vector(specs, "gamma")
            return lambda count: base * gammas**count
        case Cosine():
            lowest = _vector(specs, "eta_min")
            whole = steps if specs[0].schedule_counts_steps else 1
            lengths = np.array([getattr(spec.schedule, "T_max", None) or spec.epochs * whole for spec in specs])
            return lambda count: lowest + (base - lowest) * ((1 + np.cos(np.pi * count / lengths)) / 2)
        case InverseScaling():
            powers = _vector(specs, "power")
            return lambda count: base * (count + 1.0) ** -powers
        case _:
            return lambda count: base


def _vector(specs: Sequence[TrainingSpec], name: str) -> Array:
    return np.array([float(getattr(spec.schedule, name)) for spec in specs])
