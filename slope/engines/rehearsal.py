"""All compiled loops made ready before a job needs them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from slope.data import prepare
from slope.engines.compiled import Compiled
from slope.engines.composed import Composed
from slope.engines.descent.loading import UNROLLED
from slope.engines.groups.fused import Fused
from slope.spec import TrainingSpec

_PLAIN = {"name": "sgd"}
_OPTIMIZERS: Sequence[dict[str, Any]] = (
    {"name": "sgd", "momentum": 0.9},
    *({"name": name} for name in ("adam", "rmsprop", "adagrad")),
)
"""One for each rule of `slope.engines.layouts.rules` but plain descent."""


def load_kernels() -> None:
    """Call every loop once, as jobs call it: what is not in numba's cache is compiled, for some seconds.

    No gradient is asked of autograd: a process may fork afterwards.
    """
    for features in range(1, UNROLLED + 2):
        _call(Compiled, features, _PLAIN)
    for optimizer in _OPTIMIZERS:
        _call(Compiled, UNROLLED + 1, optimizer)
    _call(Composed, 1, _PLAIN)
    spec = _spec(_PLAIN)
    Fused(prepare(np.eye(2, 1), np.ones(2), spec), {0: spec}, 1).follow(1)


def _call(kind: type[Compiled], features: int, optimizer: dict[str, Any]) -> None:
    spec = _spec(optimizer)
    kind(prepare(np.eye(2, features), np.ones(2), spec), spec).follow(1)


def _spec(optimizer: dict[str, Any]) -> TrainingSpec:
    return TrainingSpec.model_validate({"epochs": 1, "learning_rate": 0.01, "fit_bias": False, "optimizer": optimizer})
