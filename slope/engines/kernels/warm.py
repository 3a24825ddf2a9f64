"""Loops that have been called once, and so are compiled, or read from the cache."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from slope.engines.descent_rules import BUFFERS, Limits, Update
from slope.engines.design import Design
from slope.engines.kernel_columns import EpochNumbers, StepNumbers
from slope.engines.kernels import composition as composition_loops
from slope.engines.kernels.descent import descend, evaluate
from slope.model import Parameters
from slope.spec import TrainingSpec


def descent(shape: tuple[float, ...]) -> Callable[..., Any]:
    """`descend` for as many parameters as there are numbers in the shape, or for any number of them."""
    parameters = len(shape) or 1
    design = _smallest_design(parameters)
    descend(
        shape,
        design.x,
        design.targets,
        np.empty((0, 0), np.int64),
        1,
        design.objective,
        Update.of(design.spec),
        Limits.of(design.spec, 1e300),
        np.ones((1, 1)),
        1,
        0,
        np.zeros(3, np.int64),
        np.zeros(parameters),
        np.zeros(parameters),
        np.zeros((BUFFERS, parameters)),
        np.zeros(parameters + 1),
        EpochNumbers.room(1, parameters),
        StepNumbers.room(1, parameters),
    )
    return descend


def evaluation() -> Callable[..., Any]:
    """`evaluate`."""
    design = _smallest_design(1)
    evaluate(design.x, design.targets, 0, design.objective, np.ones((1, 1)), np.empty(1), np.empty((1, 1)))
    return evaluate


def _smallest_design(parameters: int) -> Design:
    start, spec = Parameters([0.0] * parameters, None), TrainingSpec(fit_bias=False)
    return Design.of_rows(np.ones((1, parameters)), np.ones(1), start, spec)


def composition() -> ModuleType:
    """The loops of composed epochs."""
    map_, row = np.zeros((1, 2)), np.ones((1, 1))
    composition_loops.compose(row, np.ones(1), 1, 0.1, map_, np.empty((1, 2)))
    found = (np.empty((1, 1)) for _ in range(3))
    composition_loops.follow(map_, map_, np.ones((2, 2)), np.ones(1), *found, np.empty(1))
    return composition_loops
