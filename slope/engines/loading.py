"""The compiled loops, imported where they are needed first, for they bring numba."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

UNROLLED = 2
"""Up to this many parameters the loops are compiled for just that many."""

Shape = tuple[float, ...]


def descent(parameters: int) -> tuple[Callable[..., Any], Shape]:
    """`slope.engines.kernels.descent.descend` and the shape that it takes for this many parameters."""
    from slope.engines.kernels.descent import descend

    return descend, (0.0,) * parameters if parameters <= UNROLLED else ()


def evaluation() -> Callable[..., Any]:
    """`slope.engines.kernels.descent.evaluate`."""
    from slope.engines.kernels.descent import evaluate

    return evaluate


def composition() -> ModuleType:
    """`slope.engines.kernels.composition`."""
    from slope.engines.kernels import composition

    return composition
