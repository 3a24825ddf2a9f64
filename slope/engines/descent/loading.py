"""The compiled loops, imported where they are needed first, for they bring numba."""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from slope.engines.layouts.rules import PLAIN

UNROLLED = 2
"""Up to this many parameters the loops of plain descent are compiled for just that many."""


def descent(parameters: int, rule: int) -> Callable[..., Any]:
    """`slope.engines.kernels.descent.descend` for this many parameters and this `Update.rule`."""
    from slope.engines.kernels.descent import descend

    shape = (0.0,) * parameters if parameters <= UNROLLED and rule == PLAIN else ()
    return partial(descend, shape, (0.0,) * rule)


def evaluation() -> Callable[..., Any]:
    """`slope.engines.kernels.descent.evaluate`."""
    from slope.engines.kernels.descent import evaluate

    return evaluate


def composition() -> ModuleType:
    """`slope.engines.kernels.composition`."""
    from slope.engines.kernels import composition

    return composition
