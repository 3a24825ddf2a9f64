"""The learning rates of K models in any epoch, in closed form: no state, so that an epoch stands by itself.

The schedules are those of torch.optim.lr_scheduler, whose recursions give the same to rounding.
"""

from collections.abc import Callable, Sequence

import numpy as np

from slope.data import Array
from slope.spec import Cosine, Exponential, InverseScaling, Step, TrainingSpec


def learning_rates(specs: Sequence[TrainingSpec]) -> Callable[[int], Array]:
    """The K rates as a function of the epoch. All schedules are of one kind."""
    base = np.array([spec.learning_rate for spec in specs])
    match specs[0].schedule:
        case Step():
            sizes, gammas = _vector(specs, "step_size"), _vector(specs, "gamma")
            return lambda epoch: base * gammas ** (epoch // sizes)
        case Exponential():
            gammas = _vector(specs, "gamma")
            return lambda epoch: base * gammas**epoch
        case Cosine():
            lowest = _vector(specs, "eta_min")
            lengths = np.array([getattr(spec.schedule, "T_max", None) or spec.epochs for spec in specs])
            return lambda epoch: lowest + (base - lowest) * ((1 + np.cos(np.pi * epoch / lengths)) / 2)
        case InverseScaling():
            powers = _vector(specs, "power")
            return lambda epoch: base * float(epoch + 1) ** -powers
        case _:
            return lambda epoch: base


def _vector(specs: Sequence[TrainingSpec], name: str) -> Array:
    return np.array([float(getattr(spec.schedule, name)) for spec in specs])
