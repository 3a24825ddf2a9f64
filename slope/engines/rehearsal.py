"""All compiled loops made ready before a job needs them."""

import numpy as np

from slope.data import prepare
from slope.engines.compiled import Compiled
from slope.engines.composed import Composed
from slope.engines.fused import Fused
from slope.engines.loading import UNROLLED
from slope.spec import TrainingSpec

_SPEC = TrainingSpec(epochs=1, fit_bias=False)


def load_kernels() -> None:
    """Call every loop once, as jobs call it: what is not in numba's cache is compiled, for some seconds.

    No gradient is asked of autograd: a process may fork afterwards.
    """
    every_shape = [(Compiled, features) for features in range(1, UNROLLED + 2)]
    kinds: list[tuple[type[Compiled], int]] = [*every_shape, (Composed, 1)]
    for kind, features in kinds:
        kind(prepare(np.eye(2, features), np.ones(2), _SPEC), _SPEC).follow(1)
    Fused(prepare(np.eye(2, 1), np.ones(2), _SPEC), {0: _SPEC}, 1).follow(1)
