"""From the name of an engine to a run of it."""

from collections.abc import Callable

import torch

from slope.data import TrainingData
from slope.engines.blocked import Blocked
from slope.engines.compiled import Compiled
from slope.engines.composed import Composed
from slope.engines.reduced import Reduced, reductions_of
from slope.loop import Training
from slope.run import Run
from slope.spec import TrainingSpec

_BY_ROWS: dict[str, type[Training | Blocked | Composed | Compiled]] = {
    "eager": Training,
    "blocked": Blocked,
    "composed": Composed,
    "compiled": Compiled,
}


def build(
    engine: str,
    data: TrainingData,
    spec: TrainingSpec,
    *,
    keeps_steps: Callable[[int], bool] = lambda epoch: True,
    interrupted: Callable[[], bool] = lambda: False,
    device: torch.device | str = "cpu",
) -> Run:
    """A run of a job by an engine that the plan found to apply."""
    if engine == "reduced":
        reduce = reductions_of(data, device)
        features = data.x.shape[1]
        return Reduced(features, reduce, spec, keeps_steps=keeps_steps, interrupted=interrupted, device=device)
    return _BY_ROWS[engine](data, spec, keeps_steps=keeps_steps, interrupted=interrupted, device=device)
